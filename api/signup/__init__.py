"""Coming in: registration, links of mails, passwords that were forgotten."""
