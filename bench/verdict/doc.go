// Package verdict says what limited a run, whether the result is a statement about the target, and what would help. It is a pure function
// of a record, and portable.
//
// To add a verdict, write a rule in the file of its subject, give it its place among the rules of Judge, and add a Code for each of its
// findings to the list at the end of that file: the sentence, its meaning and its remedy are made of that. The sentence is a pattern, in
// which {key} stands for an argument of the finding (args.fill).
package verdict
