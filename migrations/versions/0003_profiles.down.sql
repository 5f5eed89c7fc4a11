-- Profiles, addresses, and what others see of a person.

DROP VIEW profiles.public_profiles, profiles.colleagues;

DROP TABLE profiles.profiles, profiles.user_addresses;

DROP SCHEMA profiles;
