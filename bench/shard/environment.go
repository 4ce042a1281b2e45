package shard

import (
	"lastack/sockstate"
)

// environments are the variables by which engines tell a process which of how many it is. The first whose index is set counts: within a job of Slurm
// those of an MPI launcher are the process's own, and Slurm's those of the launcher.
var environments = []struct {
	index, number string
	// first is the least index, and step how much the next is higher: array tasks may be numbered from 1 on, or 0, 10, 20.
	first, step string
}{
	{index: "SLURM_ARRAY_TASK_ID", number: "SLURM_ARRAY_TASK_COUNT", first: "SLURM_ARRAY_TASK_MIN", step: "SLURM_ARRAY_TASK_STEP"},
	{index: "OMPI_COMM_WORLD_RANK", number: "OMPI_COMM_WORLD_SIZE"},
	// Hydra (MPICH, Intel MPI, MVAPICH), and srun --mpi=pmi2.
	{index: "PMI_RANK", number: "PMI_SIZE"},
	{index: "SLURM_PROCID", number: "SLURM_NTASKS"},
	// Kubernetes does not tell how many (an Indexed Job's completions).
	{index: "JOB_COMPLETION_INDEX"},
}

func indexes() (names []string) {
	for _, e := range environments {
		names = append(names, e.index)
	}
	return names
}

// found is what the environment says.
type found struct {
	Shard
	index bool // I is known
	by    string
}

// find looks for a shard in the environment. One of one is none.
func find(getenv func(string) string) (f found, err error) {
	for _, e := range environments {
		text := getenv(e.index)
		if text == "" {
			continue
		}
		// An array of one task has no N of its own to divide by; the tasks inside of it may.
		if e.number != "" && getenv(e.number) == "1" {
			continue
		}
		i, ok := number(text)
		if !ok {
			return f, sockstate.BadValue("shard", "", "%s=%s is not a number from 0: say --shard I/N", e.index, text)
		}
		f = found{Shard: Shard{I: i}, index: true, by: e.index}
		if e.number == "" {
			return f, nil
		}
		n, ok := number(getenv(e.number))
		if !ok || n == 0 {
			return f, sockstate.BadValue("shard", "", "%s=%s is not a number from 1: say --shard I/N", e.number, getenv(e.number))
		}
		if first, ok := number(getenv(e.first)); e.first != "" && ok {
			i -= first
			if step, ok := number(getenv(e.step)); ok && step > 1 && i%step == 0 {
				i /= step
			}
		}
		f.Shard, err = Shard{i, n}.check(e.index + "=" + text)
		f.by = e.number
		return f, err
	}
	return f, nil
}
