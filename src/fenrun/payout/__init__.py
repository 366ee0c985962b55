"""The payout: when and in which form what is earned is paid."""
