terraform {
  required_version = ">= 1.6"
}

variable "name" {
  type    = string
  default = "world"
}

locals {
  greeting = "hello ${var.name}"
}
