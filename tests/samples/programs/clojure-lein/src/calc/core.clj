(ns calc.core)

(defn add [a b]
  (+ a b))

(defn total [numbers]
  (reduce add 0 numbers))
