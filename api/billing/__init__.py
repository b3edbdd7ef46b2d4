"""What a tenant pays and gets: checkout, portal, invoices, and what Stripe tells."""
