-- Which of OpenAI's wires a server speaks and which tools it may run itself, where an administrator has said so. NULL: as the settings say,
-- and else what is usual of the provider's kind.
ALTER TABLE providers ADD COLUMN wires jsonb;
ALTER TABLE providers ADD COLUMN hosted_tools jsonb;
