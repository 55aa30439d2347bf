// SPDX-License-Identifier: Apache-2.0
// One tensor of an exported HDF5 file (exported_hdf5.h).
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "core/hdf5/h5_import.h"

namespace qs {

/// Looks up objects of a listing. The listing must outlive it.
class H5Objects {
public:
    H5Objects(const H5Listing& listing, std::filesystem::path file);
    const H5Node* find(const std::string& path) const; ///< nullptr when there is none
    /// The objects directly in a group, in order.
    std::vector<const H5Node*> children(const std::string& group) const;
    /// Corrupt when there is no such array, or it has another type or shape.
    Result<const H5Node*> array(const std::string& path, std::initializer_list<DType> types,
                                const std::vector<uint64_t>& shape) const;
    /// Corrupt when the attribute is missing.
    Result<std::string> attribute(const H5Node& node, const char* name) const;
    Error corrupt(const std::string& path, std::string message) const;

private:
    const H5Listing& listing_;
    std::filesystem::path file_;
};

/// What a linear holds beside its codes; null: nothing of the kind.
struct ExportedExtras {
    const H5Node *keptStart = nullptr, *keptColumn = nullptr, *keptValue = nullptr;
    const H5Node *lowRankA = nullptr, *lowRankB = nullptr;
    const H5Node *rotationSigns = nullptr, *rotationQ = nullptr, *rotationScale = nullptr;
    const H5Node *channelsFirst = nullptr, *channelsSecond = nullptr;
};

/// A quantized linear, all or part of a tensor.
struct ExportedLinear {
    const H5Node *codes = nullptr, *scale = nullptr, *zero = nullptr, *groupOfColumn = nullptr;
    DType scaleType = DType::F32;
    const H5Node* table = nullptr; ///< [scale rows, groups, codes]: the values themselves
    std::vector<float> levels;     ///< empty: the code itself, and the zero point is taken off it
    ExportedExtras extras;
    uint64_t rows = 0, cols = 0, blockRows = 1;
    bool transposed = false;
    std::vector<std::pair<uint64_t, uint64_t>> outputs; ///< first, count; empty: all
};

struct ExportedTensor {
    TensorInfo info;
    const H5Node* kept = nullptr; ///< the tensor's own values, of keptType
    DType keptType = DType::F32;
    std::vector<ExportedLinear> linears;

    /// One linear that is the whole tensor.
    bool whole() const { return linears.size() == 1 && linears[0].outputs.empty() && !linears[0].transposed; }
};

/// Everything in /tensors. Checks types, shapes and that every output has one origin; reads tables and
/// ranges, no weights. The listing of `file` must outlive the result.
Result<std::vector<ExportedTensor>> describeExportedTensors(const H5Objects& objects, const H5Import& file);

/// Values of rows [firstRow, firstRow + out.rows) of a tensor that is kept or one whole linear.
Result<void> readExportedRows(const ExportedTensor& tensor, const H5Import& file, uint64_t firstRow,
                              MatrixView out);
/// All values of any tensor, put together from its parts.
Result<Matrix> readExportedTensor(const ExportedTensor& tensor, const H5Import& file);

} // namespace qs
