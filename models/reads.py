"""What staff read is written down: the function through which an answer goes that shows people's rows."""

from __future__ import annotations

from models.functions import Function

# The letter on both sides of a mark, which says `Type:key` of a row that the text shows. JSON holds no such letter.
SHOWN = "\x02"
# An entry of the audit log lists so many rows; of the rest it says how many there are.
MOST_ROWS = 5000

READS = [
    Function(
        "audit_shown",
        rf"""
        BEGIN
            INSERT INTO admin.audit_logs (
                actor_user_id, actor_type, actor_ip, action, resource_type, metadata, request_id, user_agent
            )
            SELECT
                lango.user_id(),
                'user',
                nullif(current_setting('lango.ip', true), '')::inet,
                'staff_read',
                'rows',
                jsonb_build_object('rows', (array_agg(shown.row))[:{MOST_ROWS}])
                    || CASE WHEN count(*) > {MOST_ROWS} THEN jsonb_build_object('not listed', count(*) - {MOST_ROWS})
                       ELSE '{{}}' END,
                nullif(current_setting('lango.request_id', true), ''),
                nullif(current_setting('lango.user_agent', true), '')
            FROM (
                SELECT part AS row
                FROM string_to_table(answer, E'\x{ord(SHOWN):02x}') WITH ORDINALITY AS parts (part, place)
                WHERE place % 2 = 0 AND part <> ''
                GROUP BY part
            ) AS shown
            HAVING count(*) > 0;
            RETURN answer;
        END
        """,
        "Gives back an answer for staff after the rows that its marks name are in the audit log, each once.",
        arguments="answer text",
        returns="text",
        language="plpgsql",
        volatility="VOLATILE STRICT",
        granted_to=("lango_staff",),
    ),
]
