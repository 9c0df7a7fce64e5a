rootProject.name = "calc"
