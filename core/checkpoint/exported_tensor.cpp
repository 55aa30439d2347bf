// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/exported_tensor.h"

#include "core/checkpoint/exported_extras.h"
#include "core/checkpoint/exported_hdf5.h"
#include "core/checkpoint/exported_linear.h"
#include "core/checkpoint/exported_read.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs {

namespace {

constexpr size_t kMaxRanges = size_t(1) << 20;

class Describer {
public:
    Describer(const H5Objects& objects, const H5Import& file) : objects_(objects), file_(file) {}

    Result<ExportedTensor> describe(const H5Node& node) {
        ExportedTensor t;
        QS_TRY(t.info.name, objects_.attribute(node, "name"));
        QS_CHECK(readShape(node, t.info));
        t.info.file = file_.path().filename().string();
        if (node.kind == H5Node::Kind::Array) {
            QS_CHECK(describeKept(node, t));
            t.info.dtype = t.keptType;
            t.info.bytes = bytesOf(node);
            return t;
        }
        if (node.kind != H5Node::Kind::Group) return objects_.corrupt(node.path, node.reason);
        QS_CHECK(describeLinears(node, t));
        QS_TRY(t.info.encoding, objects_.attribute(node, "format"));
        t.info.verbatim = false; // and float32, which every format's values have exactly
        return t;
    }

private:
    static uint64_t bytesOf(const H5Node& node) {
        return node.elements() * uint64_t(dtypeInfo(node.type).bits) / 8;
    }

    DType storedType(const H5Node& node) const {
        const auto mark = objects_.attribute(node, "qs_dtype");
        if (!mark) return node.type;
        const auto type = dtypeFromName(*mark);
        // Another size would be another number of elements.
        return type && dtypeInfo(*type).bits == dtypeInfo(node.type).bits ? *type : node.type;
    }

    Result<void> readShape(const H5Node& node, TensorInfo& info) const {
        QS_TRY(const std::string text, objects_.attribute(node, "shape"));
        const auto list = nlohmann::json::parse(text, nullptr, false);
        bool good = list.is_array() && list.size() <= kH5ImportMaxRank;
        for (size_t i = 0; good && i < list.size(); ++i)
            if (good = list[i].is_number_unsigned(); good) info.shape.push_back(list[i].get<uint64_t>());
        if (good && h5ImportShapeFits(info.shape)) return {};
        return objects_.corrupt(node.path, fmt::format("shape '{}' is not one of a tensor", text));
    }

    Result<void> describeKept(const H5Node& node, ExportedTensor& t) const {
        if (node.elements() != t.info.elements())
            return objects_.corrupt(
                node.path, fmt::format("{} elements, the shape has {}", node.elements(), t.info.elements()));
        t.kept = &node;
        t.keptType = storedType(node);
        return {};
    }

    Result<void> describeLinears(const H5Node& node, ExportedTensor& t) {
        if (objects_.find(node.path + "/codes")) {
            QS_TRY(ExportedLinear all, describeLinear(node, t.info));
            t.linears.push_back(std::move(all));
        } else {
            for (const H5Node* child : objects_.children(node.path)) {
                if (child->path == node.path + "/kept") {
                    QS_CHECK(describeKept(*child, t));
                    t.info.bytes += bytesOf(*child);
                    continue;
                }
                QS_TRY(ExportedLinear part, describeLinear(*child, t.info));
                t.linears.push_back(std::move(part));
            }
        }
        return checkOutputs(node, t);
    }

    Result<ExportedLinear> describeLinear(const H5Node& node, TensorInfo& info) {
        ExportedLinear l;
        const H5Node* codes = objects_.find(node.path + "/codes");
        if (!codes || codes->shape.size() != 2 || codes->elements() == 0)
            return objects_.corrupt(node.path, "codes must be an array of two dimensions");
        l.rows = codes->shape[0];
        l.cols = codes->shape[1];
        QS_TRY(l.codes, objects_.array(codes->path, {DType::U8}, codes->shape));
        QS_CHECK(describeParameters(node, l));
        QS_CHECK(describeValues(node, l));
        QS_CHECK(describePlace(node, l));
        QS_TRY(l.extras, describeExportedExtras(objects_, node.path, l.rows, l.cols));
        for (const H5Node* part : objects_.children(node.path))
            info.bytes += part->kind == H5Node::Kind::Array ? bytesOf(*part) : 0;
        return l;
    }

    Result<void> describeParameters(const H5Node& node, ExportedLinear& l) const {
        const H5Node* scale = objects_.find(node.path + "/scale");
        if (!scale || scale->shape.size() != 2 || scale->shape[1] == 0 || scale->shape[1] > l.cols)
            return objects_.corrupt(
                node.path,
                fmt::format("scale must be an array of two dimensions, of 1 to {} groups", l.cols));
        QS_TRY(l.scale, objects_.array(scale->path, {DType::F32, DType::F16, DType::U16}, scale->shape));
        l.scaleType = storedType(*scale);
        if (l.scaleType == DType::U16)
            return objects_.corrupt(scale->path, "uint16 without the attribute qs_dtype");
        QS_TRY(l.zero, objects_.array(node.path + "/zero", {DType::U8, DType::F32}, scale->shape));
        QS_TRY(l.groupOfColumn, objects_.array(node.path + "/group_of_column", {DType::I32}, {l.cols}));
        QS_TRY(const std::string text, objects_.attribute(node, "block_rows"));
        const auto blockRows = nlohmann::json::parse(text, nullptr, false);
        if (!blockRows.is_number_unsigned() || blockRows.get<uint64_t>() == 0)
            return objects_.corrupt(node.path, "block_rows must be positive, not " + text);
        l.blockRows = blockRows.get<uint64_t>();
        const uint64_t blocks = (l.rows - 1) / l.blockRows + 1;
        if (scale->shape[0] == 1 || scale->shape[0] == blocks) return {};
        return objects_.corrupt(scale->path,
                                fmt::format("{} rows for {} blocks of rows", scale->shape[0], blocks));
    }

    Result<void> describeValues(const H5Node& node, ExportedLinear& l) {
        QS_TRY(const std::string formula, objects_.attribute(node, "values"));
        if (formula == kIntegerValues) return {};
        if (formula == kTableValues) return describeTable(node, l);
        if (formula != kLevelValues)
            return Error{ErrorCode::Unsupported, fmt::format("values '{}' are not known", formula),
                         file_.path().string() + ": " + node.path};
        QS_TRY(const std::string path, objects_.attribute(node, "levels"));
        const auto known = tables_.find(path);
        if (known != tables_.end()) {
            l.levels = known->second;
            return {};
        }
        const H5Node* table = objects_.find(path);
        if (!table || table->shape.size() != 1 || table->shape[0] == 0 ||
            table->shape[0] > kExportedMaxLevels)
            return objects_.corrupt(path,
                                    fmt::format("must be a table of 1 to {} values", kExportedMaxLevels));
        QS_CHECK(objects_.array(path, {DType::F32}, table->shape));
        QS_TRY(l.levels, readExportedFloats(file_, *table, DType::F32, 0, table->shape[0]));
        tables_[path] = l.levels;
        return {};
    }

    Result<void> describeTable(const H5Node& node, ExportedLinear& l) const {
        const H5Node* table = objects_.find(node.path + "/table");
        const size_t last = table ? table->shape.size() - 1 : 0;
        if (!table || table->shape.size() != 3 || table->shape[last] == 0 ||
            table->shape[last] > kExportedMaxLevels)
            return objects_.corrupt(node.path + "/table",
                                    fmt::format("must hold 1 to {} values a group", kExportedMaxLevels));
        QS_TRY(l.table, objects_.array(table->path, {DType::F32},
                                       {l.scale->shape[0], l.scale->shape[1], table->shape[last]}));
        return {};
    }

    Result<void> describePlace(const H5Node& node, ExportedLinear& l) const {
        QS_TRY(const std::string stored, objects_.attribute(node, "stored"));
        if (stored == "whole") return {};
        if (stored != "rows" && stored != "transposed")
            return objects_.corrupt(node.path, fmt::format("stored '{}' is not known", stored));
        l.transposed = stored == "transposed";
        const H5Node* ranges = objects_.find(node.path + "/row_ranges");
        if (!ranges) return {};
        if (ranges->shape.size() != 2 || ranges->shape[1] != 2 || ranges->shape[0] == 0 ||
            ranges->shape[0] > kMaxRanges)
            return objects_.corrupt(ranges->path, "must be pairs of first and count");
        QS_CHECK(objects_.array(ranges->path, {DType::I32}, ranges->shape));
        QS_TRY(const auto pairs, readElements<int32_t>(file_, *ranges, 0, ranges->elements()));
        for (size_t i = 0; i < pairs.size(); i += 2) {
            if (pairs[i] < 0 || pairs[i + 1] <= 0)
                return objects_.corrupt(ranges->path,
                                        fmt::format("{} outputs from {}", pairs[i + 1], pairs[i]));
            l.outputs.emplace_back(uint64_t(pairs[i]), uint64_t(pairs[i + 1]));
        }
        return {};
    }

    /// Inputs fit, and every output comes from one linear, or from `kept`.
    Result<void> checkOutputs(const H5Node& node, const ExportedTensor& t) const {
        const uint64_t rows = t.info.rows(), cols = t.info.cols();
        std::vector<std::pair<uint64_t, uint64_t>> taken;
        for (const ExportedLinear& l : t.linears) {
            const bool transposed = t.linears.front().transposed;
            if (l.transposed != transposed || l.cols != (transposed ? rows : cols))
                return objects_.corrupt(l.codes->path, "does not fit the tensor's shape");
            uint64_t outputs = 0;
            for (const auto& [first, count] : l.outputs)
                outputs += count; // at most 2^20 times 2^31
            if (l.outputs.empty()) taken.emplace_back(0, l.rows);
            if (!l.outputs.empty() && outputs != l.rows)
                return objects_.corrupt(l.codes->path,
                                        fmt::format("{} rows for {} outputs", l.rows, outputs));
            taken.insert(taken.end(), l.outputs.begin(), l.outputs.end());
        }
        if (t.linears.empty()) return objects_.corrupt(node.path, "holds neither codes nor linears");
        std::sort(taken.begin(), taken.end());
        const uint64_t all = t.linears.front().transposed ? cols : rows;
        uint64_t next = 0;
        for (const auto& [first, count] : taken) {
            if (first < next || count > all || first > all - count)
                return objects_.corrupt(
                    node.path,
                    fmt::format("outputs {} to {} are given twice or are not there", first, first + count));
            if (first > next && !t.kept) break;
            next = first + count;
        }
        if (next == all || t.kept) return {};
        return objects_.corrupt(node.path, fmt::format("output {} comes from nowhere", next));
    }

    const H5Objects& objects_;
    const H5Import& file_;
    std::map<std::string, std::vector<float>> tables_;
};

/// Into its place of the tensor's matrix.
void place(const ExportedLinear& l, const Matrix& weight, Matrix& tensor) {
    auto outputs = l.outputs;
    if (outputs.empty()) outputs.emplace_back(0, l.rows);
    size_t row = 0;
    for (const auto& [first, count] : outputs)
        for (uint64_t output = first; output < first + count; ++output, ++row)
            for (size_t c = 0; c < weight.cols(); ++c)
                (l.transposed ? tensor(c, size_t(output)) : tensor(size_t(output), c)) = weight(row, c);
}

Result<void> readKept(const ExportedTensor& t, const H5Import& file, uint64_t firstRow, MatrixView out) {
    if (out.size() == 0) return {};
    const size_t rowBytes = out.cols * size_t(dtypeInfo(t.keptType).bits) / 8;
    const size_t rowsAtOnce = size_t(std::max<uint64_t>(1, kExportedBlock / out.cols));
    for (size_t begin = 0; begin < out.rows; begin += rowsAtOnce) {
        const size_t count = std::min(rowsAtOnce, out.rows - begin);
        std::vector<std::byte> bytes(count * rowBytes);
        QS_CHECK(file.read(*t.kept, (firstRow + begin) * out.cols, count * out.cols, bytes));
        for (size_t r = 0; r < count; ++r)
            QS_CHECK(toFloat(t.keptType, std::span(bytes).subspan(r * rowBytes, rowBytes),
                             out.rowSpan(begin + r)));
    }
    return {};
}

} // namespace

H5Objects::H5Objects(const H5Listing& listing, std::filesystem::path file)
    : listing_(listing), file_(std::move(file)) {}

const H5Node* H5Objects::find(const std::string& path) const {
    const auto at = std::lower_bound(listing_.nodes.begin(), listing_.nodes.end(), path,
                                     [](const H5Node& n, const std::string& p) { return n.path < p; });
    return at != listing_.nodes.end() && at->path == path ? &*at : nullptr;
}

std::vector<const H5Node*> H5Objects::children(const std::string& group) const {
    std::vector<const H5Node*> out;
    const std::string prefix = group + "/";
    auto at = std::lower_bound(listing_.nodes.begin(), listing_.nodes.end(), prefix,
                               [](const H5Node& n, const std::string& p) { return n.path < p; });
    for (; at != listing_.nodes.end() && at->path.starts_with(prefix); ++at)
        if (at->path.find('/', prefix.size()) == std::string::npos) out.push_back(&*at);
    return out;
}

Result<const H5Node*> H5Objects::array(const std::string& path, std::initializer_list<DType> types,
                                       const std::vector<uint64_t>& shape) const {
    const H5Node* node = find(path);
    if (!node || node->kind != H5Node::Kind::Array)
        return corrupt(path, node && !node->reason.empty() ? node->reason : "the array is missing");
    if (std::find(types.begin(), types.end(), node->type) == types.end())
        return corrupt(path, fmt::format("has elements of {}", dtypeInfo(node->type).name));
    if (node->shape != shape)
        return corrupt(path, fmt::format("has shape [{}], expected [{}]", fmt::join(node->shape, ", "),
                                         fmt::join(shape, ", ")));
    return node;
}

Result<std::string> H5Objects::attribute(const H5Node& node, const char* name) const {
    for (const H5TextAttribute& a : node.attributes)
        if (a.name == name && a.values.size() == 1) return a.values.front();
    return corrupt(node.path, fmt::format("the attribute '{}' is missing", name));
}

Error H5Objects::corrupt(const std::string& path, std::string message) const {
    return Error::corrupt(std::move(message), file_.string() + ": " + path);
}

Result<std::vector<ExportedTensor>> describeExportedTensors(const H5Objects& objects, const H5Import& file) {
    std::vector<ExportedTensor> tensors;
    Describer describer(objects, file);
    for (const H5Node* node : objects.children("/tensors")) {
        QS_TRY(ExportedTensor t, describer.describe(*node));
        tensors.push_back(std::move(t));
    }
    return tensors;
}

Result<void> readExportedRows(const ExportedTensor& t, const H5Import& file, uint64_t firstRow,
                              MatrixView out) {
    if (t.linears.empty()) return readKept(t, file, firstRow, out);
    return readExportedLinear(t.linears.front(), file, firstRow, out);
}

Result<Matrix> readExportedTensor(const ExportedTensor& t, const H5Import& file) {
    Matrix all(size_t(t.info.rows()), size_t(t.info.cols()));
    if (t.kept) QS_CHECK(readKept(t, file, 0, all.view()));
    for (const ExportedLinear& l : t.linears) {
        Matrix weight(size_t(l.rows), size_t(l.cols));
        QS_CHECK(readExportedLinear(l, file, 0, weight.view()));
        place(l, weight, all);
    }
    return all;
}

} // namespace qs
