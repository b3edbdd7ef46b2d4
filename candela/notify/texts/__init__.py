"""The words of mails and notifications, in each language."""
