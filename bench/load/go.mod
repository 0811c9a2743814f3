module kith/bench/load

go 1.26
