package shard

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	slurm := map[string]string{"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}
	array := map[string]string{"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}
	stepped := map[string]string{"SLURM_ARRAY_TASK_ID": "31", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "10"}
	mpi := map[string]string{"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
	hydra := map[string]string{"PMI_RANK": "2", "PMI_SIZE": "3"}
	// The second launcher of a job of Slurm starts the processes 4 to 7, and srun --mpi=pmi2 says the same twice.
	inSlurm := map[string]string{"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "PMI_RANK": "5", "PMI_SIZE": "8"}
	openInSlurm := map[string]string{"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8"}
	both := map[string]string{"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "PMI_RANK": "1", "PMI_SIZE": "2"}
	job := map[string]string{"JOB_COMPLETION_INDEX": "6"}
	for _, tc := range []struct {
		text string
		env  map[string]string
		want Shard
		err  string // a part of the sentence
	}{
		{text: "0/4", want: Shard{0, 4}},
		{text: "3/4", want: Shard{3, 4}},
		{text: "0/1", want: Shard{0, 1}},
		{text: "1/2", env: slurm, want: Shard{1, 2}},
		{text: "4/4", err: "no shard 4 of 4"},
		{text: "-1/4", err: "want I/N"},
		{text: "1/0", err: "want 1 to 10000 shards"},
		{text: "0/10001", err: "want 1 to 10000 shards"},
		{text: "a/b", err: "want I/N"},
		{text: "1/2/3", err: "want I/N"},
		{text: "", err: "want I/N"},
		{text: "off", env: slurm, want: Shard{}},
		{text: "auto", want: Shard{}},
		{text: "auto", env: slurm, want: Shard{3, 4}},
		{text: "auto", env: array, want: Shard{1, 4}},
		{text: "auto", env: stepped, want: Shard{3, 4}},
		{text: "auto", env: mpi, want: Shard{0, 2}},
		{text: "auto", env: hydra, want: Shard{2, 3}},
		{text: "auto", env: inSlurm, want: Shard{5, 8}},
		{text: "auto", env: openInSlurm, want: Shard{5, 8}},
		{text: "auto", env: both, want: Shard{1, 2}},
		{text: "auto", env: map[string]string{"PMI_RANK": "0", "PMI_SIZE": "1", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, want: Shard{1, 2}},
		{text: "auto", env: map[string]string{"PMI_RANK": "1"}, err: "PMI_SIZE= is not"},
		{text: "auto", env: job, err: "want --shard N"},
		{text: "8", env: job, want: Shard{6, 8}},
		{text: "6", env: job, err: "no shard 6 of 6"},
		{text: "4", env: slurm, want: Shard{3, 4}},
		{text: "5", env: slurm, err: "SLURM_NTASKS says that there are 4"},
		{text: "4", err: "JOB_COMPLETION_INDEX"},
		{text: "auto", env: map[string]string{"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, want: Shard{}},
		{text: "auto", env: map[string]string{"SLURM_PROCID": "x", "SLURM_NTASKS": "4"}, err: "SLURM_PROCID=x"},
		{text: "auto", env: map[string]string{"SLURM_PROCID": "4", "SLURM_NTASKS": "4"}, err: "no shard 4 of 4"},
		{text: "auto", env: map[string]string{"SLURM_PROCID": "1"}, err: "SLURM_NTASKS= is not"},
	} {
		got, err := Parse(tc.text, func(k string) string { return tc.env[k] })
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q %v: %v, %v, want an error with %q", tc.text, tc.env, got, err, tc.err)
			}
			continue
		}
		if err != nil || got != tc.want {
			t.Errorf("%q %v: %v, %v, want %v", tc.text, tc.env, got, err, tc.want)
		}
	}
}

func TestPartsAddUp(t *testing.T) {
	for n := 1; n <= 9; n++ {
		for all := range int64(40) {
			sum, dealt := int64(0), []int64(nil)
			things := make([]int64, all)
			for k := range things {
				things[k] = int64(k)
			}
			for i := range n {
				s := Shard{i, n}
				sum += s.Part(all)
				dealt = append(dealt, Deal(s, things)...)
				if n > 1 && all >= int64(n) && int64(len(Deal(s, things))) != s.Part(all) {
					t.Errorf("%v has %d of %d", s, len(Deal(s, things)), all)
				}
			}
			if sum != all || all >= int64(n) && int64(len(dealt)) != all {
				t.Errorf("%d in %d parts: %d, %v", all, n, sum, dealt)
			}
		}
	}
	if d := cmp.Diff([]int{1, 4}, Deal(Shard{1, 3}, []int{0, 1, 2, 3, 4, 5})); d != "" {
		t.Error(d)
	}
}

func TestNames(t *testing.T) {
	for want, of := range map[string][]int{
		"no shard": nil, "shard 3": {3}, "shards 1 and 5": {1, 5}, "shards 1, 2 and 5": {1, 2, 5},
		"shards 0 to 2": {0, 1, 2}, "shards 0, 2 to 4, 6 and 7": {0, 2, 3, 4, 6, 7},
		"shards 0, 2, 4, 6, 8, 10, 12 and 14": {0, 2, 4, 6, 8, 10, 12, 14}, "shards 0, 2, 4, 6, 8, 10, 12 and 5 more": {0, 2, 4, 6, 8, 10, 12, 14, 15, 16, 17, 20},
	} {
		if got := Names(of); got != want {
			t.Errorf("%v: %q, want %q", of, got, want)
		}
	}
}
