// SPDX-License-Identifier: Apache-2.0
import Events

/// Goes through the groups below one.
extension CgroupReader {
  /// More groups than this are not looked at in one walk; a host of a thousand containers has some four thousand.
  package static let groupsMax = 65_536

  /// A group and all below it with their statuses, children as they were made; nil where it is gone.
  ///
  /// Children that go meanwhile are left out. What is too much or too deep is counted where it begins.
  /// Source: readdir(3).
  package func tree(
    at path: KernelName = KernelName("/"), _ reading: CgroupReading = [],
    groupsMax: Int = CgroupReader.groupsMax, depthMax: Int = CgroupReader.ancestorLimit
  ) throws(HostError) -> CgroupNode? {
    guard let hierarchy, let directory = try directory(path) else { return nil }
    var walk = Walk(hierarchy: hierarchy, reading: reading, left: groupsMax - 1)
    return try node(directory, path, &walk, levels: depthMax)
  }

  private struct Walk {
    let hierarchy: CgroupHierarchy
    let reading: CgroupReading
    /// How many groups may still be looked at.
    var left: Int
  }

  private func node(
    _ directory: borrowing Directory, _ path: KernelName, _ walk: inout Walk, levels: Int
  ) throws(HostError) -> CgroupNode {
    let inode = directory.inode()
    var node = CgroupNode(
      status: try status(of: directory, path, walk.reading, walk.hierarchy, id: inode?.number))
    guard inode?.mayHaveDirectories ?? true else { return node }
    for name in try directory.directoriesByInode() {
      guard levels > 0, walk.left > 0 else {
        node.omittedChildren += 1
        continue
      }
      guard let below = try directory.directory(name) else { continue }
      walk.left -= 1
      let child = try self.node(below, path.appending(name), &walk, levels: levels - 1)
      // Version 1 counts in the victim's own group alone.
      if walk.hierarchy.version == 1, let kills = child.status.events?.oomKills {
        node.status.events?.oomKills? += kills
      }
      node.children.append(child)
    }
    return node
  }

  /// The paths of all groups below one, each before those below it, without a look into their files.
  ///
  /// - Returns: also how many were left out, because there were too many or they lie too deep.
  /// Source: readdir(3).
  package func paths(
    below path: KernelName = KernelName("/"), groupsMax: Int = CgroupReader.groupsMax,
    depthMax: Int = CgroupReader.ancestorLimit
  ) throws(HostError) -> (paths: [KernelName], omitted: Int) {
    guard let directory = try directory(path) else { return ([], 0) }
    var found: (paths: [KernelName], omitted: Int) = ([], 0)
    try collect(directory, path, &found, groupsMax: groupsMax, levels: depthMax)
    return found
  }

  private func collect(
    _ directory: borrowing Directory, _ path: KernelName, _ found: inout (paths: [KernelName], omitted: Int),
    groupsMax: Int, levels: Int
  ) throws(HostError) {
    guard directory.inode()?.mayHaveDirectories ?? true else { return }
    for name in try directory.directoriesByInode() {
      guard levels > 0, found.paths.count < groupsMax else {
        found.omitted += 1
        continue
      }
      guard let below = try directory.directory(name) else { continue }
      let whole = path.appending(name)
      found.paths.append(whole)
      try collect(below, whole, &found, groupsMax: groupsMax, levels: levels - 1)
    }
  }
}
