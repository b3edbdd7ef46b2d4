"""The courier: takes mails that are due to a server, in a thread apart from what trades."""
