"""Reaching out to addresses that strangers choose, without reaching what is not theirs."""
