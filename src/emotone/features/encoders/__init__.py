"""Pretrained speech encoders as features."""
