;; Code that does nothing but call itself, and a loop that does nothing but count: where metering costs most.
(module
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else
        (i32.add
          (call $fib (i32.sub (local.get 0) (i32.const 1)))
          (call $fib (i32.sub (local.get 0) (i32.const 2)))))))

  (func (export "loop") (param $left i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.xor (i32.mul (local.get $sum) (i32.const 31)) (local.get $left)))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.get $sum)))
