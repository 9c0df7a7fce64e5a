import Calc
import Control.Monad (unless)
import System.Exit

main :: IO ()
main = unless (add 1 2 == 3) exitFailure
