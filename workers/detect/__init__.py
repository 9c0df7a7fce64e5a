"""What a repository is: language, framework, tools, versions, commands, each with its evidence."""
