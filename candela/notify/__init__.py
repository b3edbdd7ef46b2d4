"""What people are told: mails that wait to be sent, the inbox, texts in three languages."""
