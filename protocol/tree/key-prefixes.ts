// The first characters of the keys of the tree's tables in a volume's state, together so that no
// two tables take the same.

export const TREE_PREFIXES = {
  child: 'c',
  directory: 'd',
  conflict: 'f',
  inode: 'i',
  link: 'l',
  move: 'm',
  conflictTotal: 'nconflicts',
  setNode: 'o',
  dead: 'q',
  history: 'r',
  version: 'v',
  longName: 'x',
  xattr: 'X',
  retiredDirectory: 'y',
} as const
