plugins { kotlin("jvm") version "2.0.21"
 application }
repositories { mavenCentral() }
dependencies { testImplementation(kotlin("test")) }
kotlin { jvmToolchain(21) }
tasks.test { useJUnitPlatform() }
application { mainClass = "com.example.MainKt" }
