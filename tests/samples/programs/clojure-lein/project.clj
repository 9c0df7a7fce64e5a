(defproject calc "0.1.0"
  :description "Sums"
  :dependencies [[org.clojure/clojure "1.11.1"]])
