(ns calc.core-test
  (:require [calc.core :refer [add total]]
            [clojure.test :refer [deftest is]]))

(deftest two-numbers
  (is (= 5 (add 2 3))))

(deftest nothing
  (is (= 0 (total []))))
