-- Feature flags, configuration, the audit log and the health of services.

DROP TABLE admin.feature_flags, admin.system_config, admin.audit_logs, admin.system_health_checks, admin.admin_sessions;

DROP SCHEMA admin;
