//! Promo codes: made, redeemed by as many as may, and silent about what exists.
