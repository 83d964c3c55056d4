;; What a ChainMaker SDK gives to its contracts, in the small. Text in single quotes stands for its address and length.
;; Below 2,048 lies such text; 2,048 is scratch space, 4,096 the header of a sys_call, 8,192 its body, 16,384 what it returns.
(import "env" "sys_call" (func $sys_call (param i32 i32 i32 i32) (result i32)))
(import "env" "log_message" (func $log_message (param i32 i32)))
(memory (export "memory") 2)
(global $heap (mut i32) (i32.const 32768))
(global $parameters (mut i32) (i32.const 0))
(global $body (mut i32) (i32.const 0))

(func (export "allocate") (param $size i32) (result i32)
  (global.set $parameters (global.get $heap))
  (global.set $heap (i32.add (global.get $heap) (local.get $size)))
  (global.get $parameters))
(func (export "deallocate") (param i32))

;; Appends an entry to the map at $map, which ends at $end; returns its new end.
(func $append (param $map i32) (param $end i32) (param $user i32) (param $key i32) (param $key_len i32) (param $type i32) (param $value i32) (param $value_len i32) (result i32)
  (i32.store (local.get $map) (i32.add (i32.load (local.get $map)) (i32.const 1)))
  (i32.store (local.get $end) (local.get $user))
  (i32.store offset=4 (local.get $end) (local.get $key_len))
  (memory.copy (i32.add (local.get $end) (i32.const 8)) (local.get $key) (local.get $key_len))
  (local.set $end (i32.add (i32.add (local.get $end) (i32.const 8)) (local.get $key_len)))
  (i32.store (local.get $end) (local.get $type))
  (i32.store offset=4 (local.get $end) (local.get $value_len))
  (memory.copy (i32.add (local.get $end) (i32.const 8)) (local.get $value) (local.get $value_len))
  (i32.add (i32.add (local.get $end) (i32.const 8)) (local.get $value_len)))

;; Begins the body of a sys_call, and adds to it.
(func $begin (i32.store (i32.const 8192) (i32.const 0)) (global.set $body (i32.const 8196)))
(func $text (param $key i32) (param $key_len i32) (param $value i32) (param $value_len i32)
  (global.set $body (call $append (i32.const 8192) (global.get $body) (i32.const 1) (local.get $key) (local.get $key_len) (i32.const 1) (local.get $value) (local.get $value_len))))
(func $bytes (param $key i32) (param $key_len i32) (param $value i32) (param $value_len i32)
  (global.set $body (call $append (i32.const 8192) (global.get $body) (i32.const 1) (local.get $key) (local.get $key_len) (i32.const 2) (local.get $value) (local.get $value_len))))
(func $number (param $key i32) (param $key_len i32) (param $value i32)
  (i32.store (i32.const 2048) (local.get $value))
  (global.set $body (call $append (i32.const 8192) (global.get $body) (i32.const 1) (local.get $key) (local.get $key_len) (i32.const 0) (i32.const 2048) (i32.const 4))))

;; A sys_call of this method with a raw body.
(func $raw (param $method i32) (param $method_len i32) (param $body i32) (param $len i32) (result i32)
  (local $end i32)
  (i32.store (i32.const 4096) (i32.const 0))
  (i32.store (i32.const 2048) (i32.const 0))
  (local.set $end (call $append (i32.const 4096) (i32.const 4100) (i32.const 0) 'ctx_ptr' (i32.const 0) (i32.const 2048) (i32.const 4)))
  (local.set $end (call $append (i32.const 4096) (local.get $end) (i32.const 0) 'version' (i32.const 1) 'v1.2.0'))
  (local.set $end (call $append (i32.const 4096) (local.get $end) (i32.const 0) 'method' (i32.const 1) (local.get $method) (local.get $method_len)))
  (call $sys_call (i32.const 4096) (i32.sub (local.get $end) (i32.const 4096)) (local.get $body) (local.get $len)))
;; A sys_call with the body that was built.
(func $call (param $method i32) (param $method_len i32)
  (drop (call $raw (local.get $method) (local.get $method_len) (i32.const 8192) (i32.sub (global.get $body) (i32.const 8192)))))
;; A sys_call that writes a number.
(func $ask (param $method i32) (param $method_len i32) (result i32)
  (call $number 'value_ptr' (i32.const 2052))
  (call $call (local.get $method) (local.get $method_len))
  (i32.load (i32.const 2052)))
;; The second half of a pair of sys_calls; the first has answered with the length, which is returned with the address.
(func $fetch (param $method i32) (param $method_len i32) (param $len i32) (result i32 i32)
  (if (local.get $len)
    (then
      (call $begin)
      (call $number 'value_ptr' (i32.const 16384))
      (call $call (local.get $method) (local.get $method_len))))
  (i32.const 16384) (local.get $len))

(func $place (param $key i32) (param $key_len i32) (param $field i32) (param $field_len i32)
  (call $begin)
  (call $text 'key' (local.get $key) (local.get $key_len))
  (call $text 'field' (local.get $field) (local.get $field_len)))
(func $get (param $key i32) (param $key_len i32) (param $field i32) (param $field_len i32) (result i32 i32)
  (call $place (local.get $key) (local.get $key_len) (local.get $field) (local.get $field_len))
  (call $fetch 'GetState' (call $ask 'GetStateLen')))
(func $put (param $key i32) (param $key_len i32) (param $field i32) (param $field_len i32) (param $value i32) (param $value_len i32)
  (call $place (local.get $key) (local.get $key_len) (local.get $field) (local.get $field_len))
  (call $bytes 'value' (local.get $value) (local.get $value_len))
  (call $call 'PutState'))
(func $delete (param $key i32) (param $key_len i32) (param $field i32) (param $field_len i32)
  (call $place (local.get $key) (local.get $key_len) (local.get $field) (local.get $field_len))
  (call $call 'DeleteState'))
(func $success (param $text i32) (param $len i32)
  (drop (call $raw 'SuccessResult' (local.get $text) (local.get $len))))
(func $error (param $text i32) (param $len i32)
  (drop (call $raw 'ErrorResult' (local.get $text) (local.get $len))))

;; A parameter. Traps if it is not there, or not of the type that this generation of the SDK expects.
(func $parameter (param $key i32) (param $key_len i32) (result i32 i32)
  (local $at i32) (local $i i32) (local $size i32)
  (local.set $at (i32.add (global.get $parameters) (i32.const 4)))
  (loop $next
    (local.set $size (i32.load offset=4 (local.get $at)))
    (local.set $i (i32.const 0))
    (block $other
      (br_if $other (i32.ne (local.get $size) (local.get $key_len)))
      (loop $byte
        (br_if $other (i32.ne
          (i32.load8_u offset=8 (i32.add (local.get $at) (local.get $i)))
          (i32.load8_u (i32.add (local.get $key) (local.get $i)))))
        (br_if $byte (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $key_len))))
      (local.set $at (i32.add (i32.add (local.get $at) (i32.const 8)) (local.get $size)))
      (if (i32.ne (i32.load (local.get $at)) (i32.const VALUE_TYPE)) (then (unreachable)))
      (return (i32.add (local.get $at) (i32.const 8)) (i32.load offset=4 (local.get $at))))
    (local.set $at (i32.add (i32.add (local.get $at) (i32.const 8)) (local.get $size)))
    (local.set $at (i32.add (i32.add (local.get $at) (i32.const 8)) (i32.load offset=4 (local.get $at))))
    (br_if $next (i32.lt_u (local.get $at) (global.get $heap))))
  (unreachable))
