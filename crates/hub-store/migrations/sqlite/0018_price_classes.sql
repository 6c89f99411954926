-- Tokens of sound, of pictures and of long cache writes, which have prices of their own.

-- On a receipt no class is part of another.
ALTER TABLE receipts ADD COLUMN cache_write_long_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN input_audio_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN input_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN output_audio_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN output_image_tokens INTEGER NOT NULL DEFAULT 0;

-- In the usage log they are part of the basic classes as well: input_tokens, cache_write_tokens, output_tokens.
ALTER TABLE usage_logs ADD COLUMN cache_write_long_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_logs ADD COLUMN input_audio_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_logs ADD COLUMN input_image_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_logs ADD COLUMN output_audio_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_logs ADD COLUMN output_image_tokens INTEGER NOT NULL DEFAULT 0;
