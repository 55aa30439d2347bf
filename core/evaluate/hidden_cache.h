// SPDX-License-Identifier: Apache-2.0
// Hidden states between blocks on disk, so that an evaluation begins behind the blocks that an earlier one
// has run on the same text. A state is named by what it follows from: the embedded text, the machine's way to
// compute, and the content of every block before it. A file, "<64 hexadecimal digits>.hidden":
//   "QSHID1\n\0", uint64 rows, cols, 64 hexadecimal digits of the SHA-256 of the values, float32 [rows, cols]
#pragma once

#include "core/evaluate/evaluate.h"
#include "core/model/forward.h"

namespace qs {

/// What the states of one stream follow from, block by block.
class PrefixDigest {
public:
    /// `embedded`: the states before the first block. `machine`: says how products are computed.
    PrefixDigest(const std::string& identity, const std::string& machine, size_t windowLength,
                 ConstMatrixView embedded);
    /// Loads the next block, whose content joins the digest, and how it rounds what.
    Result<DeviceBlock> load(const Forward& forward, size_t index, const WeightSource& weights);
    const std::string& value() const { return value_; } ///< of all that was loaded

private:
    std::string value_;
};

/// The files of one folder, shared by processes. At most `cache.bytes` of them, and a tenth of what is free;
/// the one that was not used for longest goes first.
class HiddenFiles {
public:
    HiddenFiles(const HiddenCache& cache, size_t rows, size_t cols, size_t blocks);
    bool empty() const; ///< nothing can be taken
    /// Why nothing is kept; empty when something is.
    std::string refusal() const;
    /// Whether the states behind a block are kept: of all when half of the bytes hold them, else evenly
    /// spread, the last among them.
    bool keeps(size_t block) const;
    bool has(const std::string& digest) const;
    /// False when the file is damaged, and removed.
    bool read(const std::string& digest, MatrixView into) const;
    /// A full disk, a folder that cannot be written: nothing is kept.
    void write(const std::string& digest, ConstMatrixView states) const;

private:
    std::filesystem::path file(const std::string& digest) const;
    bool makeRoom() const;

    std::filesystem::path folder_;
    uint64_t most_;
    size_t rows_, cols_, blocks_, stride_ = 0; ///< 0: nothing is kept
};

} // namespace qs
