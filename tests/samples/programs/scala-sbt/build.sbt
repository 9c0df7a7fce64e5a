ThisBuild / scalaVersion := "3.3.6"

lazy val root = (project in file("."))
  .settings(
    name := "clock",
    libraryDependencies += "org.scalameta" %% "munit" % "1.1.1" % Test
  )
