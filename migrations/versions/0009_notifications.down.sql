-- Notifications, their templates and preferences.

DROP TABLE notifications.notification_templates, notifications.notifications, notifications.notification_preferences, notifications.notification_analytics;

DROP SCHEMA notifications;
