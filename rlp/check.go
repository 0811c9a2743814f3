package rlp

// check looks at all heads of the first value in b, which lies in depth lists,
// and gives the value and what comes after it.
func check(b []byte, depth int) (value, rest []byte, err error) {
	kind, start, end, err := head(b)
	if err != nil {
		return nil, b, err
	}
	value, rest = b[:end:end], b[end:]
	if kind == List {
		err = checkList(b[start:end], depth)
	}
	return value, rest, err
}

// checkList is check for the content of a list. It is a loop: the stack of open
// lists is the array.
func checkList(b []byte, depth int) error {
	if depth >= MaxDepth {
		return ErrTooDeep
	}
	var left [MaxDepth]int // bytes of each open list that come after the one it contains
	open := 0
	for {
		for len(b) == 0 {
			if open == 0 {
				return nil
			}
			open--
			b = b[:left[open]]
		}
		kind, start, end, err := head(b)
		if err != nil {
			return err
		}
		if kind == String {
			b = b[end:]
			continue
		}
		if depth+open+1 >= MaxDepth {
			return ErrTooDeep
		}
		left[open] = len(b) - end
		open++
		b = b[start:end]
	}
}
