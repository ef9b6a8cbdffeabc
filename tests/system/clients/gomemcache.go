// gomemcache's ordinary work: gomemcache PORT. Prints "ok NAME" or "not ok NAME".
package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"

	"github.com/bradfitz/gomemcache/memcache"
)

func check(good bool, name string) {
	word := "not ok"
	if good {
		word = "ok"
	}
	fmt.Println(word, name)
}

func item(key string, value string) *memcache.Item {
	return &memcache.Item{Key: key, Value: []byte(value), Flags: 0xdeadbeef}
}

func has(client *memcache.Client, key string, value string) bool {
	found, err := client.Get(key)
	return err == nil && string(found.Value) == value
}

func checkStoring(client *memcache.Client) {
	check(client.Set(item("a", "text")) == nil && has(client, "a", "text"), "sets and gets")
	found, _ := client.Get("a")
	check(found != nil && found.Flags == 0xdeadbeef, "keeps the flags")
	_, err := client.Get("missing")
	check(err == memcache.ErrCacheMiss, "misses")
	check(client.Add(item("a", "x")) == memcache.ErrNotStored && client.Add(item("b", "x")) == nil,
		"adds only what is not there")
	for i := 0; i < 2; i++ {
		found, err = client.Get("a")
		if err != nil {
			check(false, "compares and swaps")
			return
		}
		found.Value = []byte(fmt.Sprint("new", i))
		err = client.CompareAndSwap(found)
		check(err == nil && has(client, "a", fmt.Sprint("new", i)), "compares and swaps")
	}
	check(client.CompareAndSwap(found) == memcache.ErrCASConflict, "loses a swap")
	check(client.Delete("b") == nil && client.Delete("b") == memcache.ErrCacheMiss, "deletes")
	check(client.CompareAndSwap(&memcache.Item{Key: "b", Value: []byte("x")}) ==
		memcache.ErrCacheMiss, "swaps nothing that is missing")
}

func checkMany(client *memcache.Client) {
	keys := []string{"absent"}
	good := true
	for i := 0; i < 300; i++ {
		key := fmt.Sprint("m", i)
		keys = append(keys, key)
		good = good && client.Set(item(key, "value "+key)) == nil
	}
	found, err := client.GetMulti(keys)
	check(good && err == nil && len(found) == 300 && string(found["m299"].Value) == "value m299",
		"sets and gets many")
	var group sync.WaitGroup
	errors := make(chan error, 800)
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for j := 0; j < 100; j++ {
				key := fmt.Sprint("g", i, "-", j)
				if client.Set(item(key, key)) != nil || !has(client, key, key) {
					errors <- fmt.Errorf("%s", key)
				}
			}
		}(i)
	}
	group.Wait()
	check(len(errors) == 0, "works in eight goroutines")
}

func checkNumbers(client *memcache.Client) {
	client.Set(item("n", "10"))
	up, err := client.Increment("n", 5)
	down, err2 := client.Decrement("n", 100)
	check(err == nil && err2 == nil && up == 15 && down == 0, "counts")
	_, err = client.Increment("absent", 1)
	check(err == memcache.ErrCacheMiss, "counts nothing that is missing")
	_, err = client.Increment("a", 1)
	check(err != nil && has(client, "a", "new1"), "does not count what is no number")
}

func checkLarge(client *memcache.Client) {
	large := make([]byte, 1000000)
	rand.Read(large)
	err := client.Set(&memcache.Item{Key: "large", Value: large})
	found, err2 := client.Get("large")
	check(err == nil && err2 == nil && bytes.Equal(found.Value, large), "stores a large value")
	err = client.Set(&memcache.Item{Key: "huge", Value: make([]byte, 2000000)})
	check(err != nil && has(client, "a", "new1"), "learns that a value is too large and goes on")
	key := strings.Repeat("k", 250)
	check(client.Set(item(key, "x")) == nil && has(client, key, "x"), "uses the longest key")
}

func main() {
	client := memcache.New("127.0.0.1:" + os.Args[1])
	client.Timeout = 20e9
	checkStoring(client)
	checkMany(client)
	checkNumbers(client)
	checkLarge(client)
	check(client.Touch("a", 1000) == nil && client.Touch("absent", 1000) == memcache.ErrCacheMiss,
		"touches")
}
