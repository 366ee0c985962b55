"""Closing: a closed period stays closed; what is learnt later becomes a difference with its cause.

In: a workspace, a period, and the moment as known at which it is closed.
Out: a close (`close`), which keeps the sign-off hash of every statement (`sign_off`) and the
differences that were booked with it; and why two answers about one period differ (`differences`).

True: closes follow each other without a gap, nothing opens one again, and the differences of a
period sum exactly to the difference between its two answers, each booked once.
"""
