output "greeting" {
  value = local.greeting
}
