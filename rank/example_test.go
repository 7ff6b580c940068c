package rank_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/gen-emerge/assay/rank"
)

// A file of votes becomes strengths with their errors.
func Example() {
	file := `left,right,winner
dawn,dusk,left
dawn,fog,left
dusk,fog,tie
fog,dawn,fog
dusk,rain,both_bad
`
	ballots, doubts, err := rank.ReadVotes(strings.NewReader(file), "votes.csv")
	if err != nil {
		log.Fatal(err)
	}
	table, err := rank.NewTable(ballots)
	if err != nil {
		log.Fatal(err)
	}
	bar, _ := table.Item(rank.BarID)
	fit, err := rank.Estimate(context.Background(), len(table.IDs()), table.Votes(), rank.Options{Reference: []int{bar}})
	if err != nil {
		log.Fatal(err)
	}
	for i, id := range table.IDs() {
		fmt.Printf("%-5s %5.2f ± %.2f\n", id, fit.Strength[i], fit.StdErr[i])
	}
	fmt.Println(len(doubts), "rows left out")
	// Output:
	// dawn  -0.37 ± 1.22
	// dusk  -1.18 ± 1.13
	// fog   -0.64 ± 1.22
	// rain  -1.00 ± 1.17
	// bar    0.00 ± 0.00
	// 0 rows left out
}
