// SPDX-License-Identifier: Apache-2.0

extension KernelName {
  /// Whether this path is that one, or below it. Both begin with a slash.
  package func isAtOrBelow(_ path: KernelName) -> Bool {
    path.bytes == [0x2f]
      || (bytes.starts(with: path.bytes) && (bytes.count == path.bytes.count || bytes[path.bytes.count] == 0x2f))
  }
}

/// A control group of the hierarchy that holds the memory controller.
package struct CgroupRef: Hashable, Sendable {
  /// From the root of the hierarchy, as the kernel prints it; `/` for the root.
  package var path: KernelName?
  /// The kernfs id: on 64-bit hosts the inode number of its directory.
  package var id: UInt64?
  /// 1 or 2.
  package var version: Int?
  /// Who it belongs to; nil where nobody has looked.
  package var owner: CgroupOwner?

  package init(path: KernelName? = nil, id: UInt64? = nil, version: Int? = nil) {
    self.path = path
    self.id = id
    self.version = version
  }
}
