// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/exported_hdf5.h"
#include "core/checkpoint/hf_folder.h"
#include "core/export/export_folder.h"
#include "core/export/hdf5_extras.h"
#include "core/export/hdf5_format.h"
#include "core/export/hdf5_values.h"
#include "core/recipe/stored_bytes.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs {

namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<std::byte>;
using Entries = std::vector<const PlanEntry*>;

constexpr size_t kMaxFile = size_t(1) << 29;

struct StoredType {
    H5Type type;
    bool marked; ///< HDF5 has no such type: it is stored as bits, and an attribute says what they are
};

Result<StoredType> storedType(const TensorInfo& t) {
    switch (t.dtype) {
    case DType::F32:
        return StoredType{H5Type::F32, false};
    case DType::F16:
        return StoredType{H5Type::F16, false};
    case DType::F64:
        return StoredType{H5Type::F64, false};
    case DType::I8:
        return StoredType{H5Type::I8, false};
    case DType::U8:
        return StoredType{H5Type::U8, false};
    case DType::I16:
        return StoredType{H5Type::I16, false};
    case DType::U16:
        return StoredType{H5Type::U16, false};
    case DType::I32:
        return StoredType{H5Type::I32, false};
    case DType::U32:
        return StoredType{H5Type::U32, false};
    case DType::I64:
        return StoredType{H5Type::I64, false};
    case DType::U64:
        return StoredType{H5Type::U64, false};
    case DType::BF16:
        return StoredType{H5Type::U16, true};
    case DType::Bool:
    case DType::F8E4M3:
    case DType::F8E5M2:
    case DType::F8E8M0:
        return StoredType{H5Type::U8, true};
    }
    return Error::unsupported("no HDF5 type holds it", t.name);
}

/// What can be an array of 1 to 4 dimensions is one as it is.
H5Shape arrayShape(const TensorInfo& t) {
    if (!t.shape.empty() && t.shape.size() <= 4) return t.shape;
    return {t.rows(), t.cols()};
}

/// Bytes that are at hand when the file is planned.
std::function<Result<std::span<const std::byte>>(Bytes&)> given(Bytes bytes) {
    return [bytes = std::move(bytes)](Bytes&) -> Result<std::span<const std::byte>> { return bytes; };
}
template<class T>
Bytes bytesOf(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
}

Result<Bytes> ownLevelBytes(const QuantizedTensor& q) {
    QS_TRY(const auto codec, codecOf(q));
    QS_TRY(const auto levels, exportedLevels(*codec, q));
    return bytesOf(levels);
}
Result<Bytes> noZeroBytes(const QuantizedTensor& q) {
    return Bytes(q.zero.size());
}
Result<Bytes> tableBytes(const QuantizedTensor& q) {
    QS_TRY(const auto codec, codecOf(q));
    return bytesOf(exportedTable(*codec, q));
}

/// What such a format keeps as its zero points is in its levels.
void useOwnLevels(std::vector<QuantizedPart>& parts, const QuantizedTensor& shape, size_t levels) {
    for (QuantizedPart& part : parts)
        if (part.name == "zero")
            part = {"zero", H5Type::U8, {shape.zero.rows(), shape.zero.cols()}, false, noZeroBytes};
    parts.push_back({"levels", H5Type::F32, {levels}, false, ownLevelBytes});
}

class Objects {
public:
    explicit Objects(const ExportSource& source)
        : source_(source), cache_(std::make_shared<TensorCache>(source)) {}

    Result<std::vector<Hdf5Object>> make() {
        QS_CHECK(addRoot());
        const auto entries = source_.entriesOfTensor();
        for (size_t i = 0; i < entries.size(); ++i)
            QS_CHECK(entries[i].empty() ? addKept(i, tensorPath(i)) : addQuantized(i, entries[i]));
        for (const PlanEntry& e : source_.plan.entries)
            if (e.scheme) QS_CHECK(addScaling(e.target));
        QS_CHECK(addFiles());
        return std::move(objects_);
    }

private:
    const TensorInfo& info(size_t index) const { return source_.checkpoint().tensors()[index]; }
    std::string tensorPath(size_t index) const { return "/tensors/" + h5EscapeName(info(index).name); }
    std::vector<H5Attribute> nameAndShape(size_t index) const {
        return {{"name", info(index).name}, {"shape", nlohmann::json(info(index).shape).dump()}};
    }

    void addArray(std::string path, H5Type type, H5Shape shape, std::vector<H5Attribute> attributes,
                  std::function<Result<std::span<const std::byte>>(Bytes&)> bytes, std::string line = {}) {
        if (line.empty()) line = path;
        objects_.push_back({std::move(path), std::move(attributes), true, type, std::move(shape),
                            std::move(bytes), std::move(line)});
    }
    void addText(const std::string& path, const std::string& text) {
        const auto bytes = std::as_bytes(std::span(text));
        addArray(path, H5Type::U8, {text.size()}, {}, given({bytes.begin(), bytes.end()}));
    }

    Result<void> addRoot() {
        std::vector<H5Attribute> attributes = {{"schema", kExportedSchema}, {"schema_version", int64_t(1)}};
        for (const auto& [key, value] : source_.metadata)
            attributes.push_back({key, value});
        objects_.push_back({"/", std::move(attributes)});
        objects_.back().line = "attributes of the file";
        addText("/manifest", source_.sidecar);
        objects_.back().line = "manifest";
        return {};
    }

    Result<void> addKept(size_t index, std::string path) {
        QS_TRY(const StoredType type, storedType(info(index)));
        std::vector<H5Attribute> attributes = nameAndShape(index);
        if (type.marked) attributes.push_back({"qs_dtype", std::string(dtypeInfo(info(index).dtype).name)});
        addArray(
            std::move(path), type.type, arrayShape(info(index)), std::move(attributes),
            [this_ = &source_, index](Bytes& buffer) {
                return this_->checkpoint().elementBytes(index, buffer);
            },
            info(index).name);
        return {};
    }

    Result<void> addQuantized(size_t index, const Entries& entries) {
        const std::string path = tensorPath(index);
        std::string formats;
        for (const PlanEntry* e : entries) {
            QS_TRY(const auto codec, createCodec(e->scheme->codec, e->scheme->codecParams));
            if (formats.find(codec->label()) == std::string::npos)
                formats += (formats.empty() ? "" : ", ") + codec->label();
        }
        objects_.push_back({path, nameAndShape(index)});
        objects_.back().line = info(index).name;
        objects_.back().attributes.push_back({"format", formats});
        if (entries.front()->target.place.whole()) {
            QS_TRY(auto attributes, addLinear(*entries.front(), path, "whole"));
            auto& own = objectAt(path).attributes;
            own.insert(own.end(), attributes.begin(), attributes.end());
            return {};
        }
        uint64_t outputs = 0;
        for (const PlanEntry* e : entries) {
            QS_CHECK(addPartOfTensor(*e, path));
            outputs += e->target.rows;
        }
        const bool transposed = entries.front()->target.place.transposed;
        if (outputs == (transposed ? info(index).cols() : info(index).rows())) return {};
        return addKept(index, path + "/kept");
    }

    Hdf5Object& objectAt(const std::string& path) {
        return *std::find_if(objects_.rbegin(), objects_.rend(),
                             [&](const Hdf5Object& o) { return o.path == path; });
    }

    /// A linear that is part of a tensor, in a group of its own.
    Result<void> addPartOfTensor(const PlanEntry& e, const std::string& tensor) {
        const std::string path = tensor + "/" + h5EscapeName(e.target.module);
        objects_.push_back({path, {}});
        objects_.back().line = e.target.place.tensor;
        QS_TRY(objectAt(path).attributes,
               addLinear(e, path, e.target.place.transposed ? "transposed" : "rows"));
        if (e.target.place.rows.empty()) return {};
        std::vector<int32_t> ranges;
        for (const RowRange& r : e.target.place.rows)
            ranges.insert(ranges.end(), {int32_t(r.first), int32_t(r.count)});
        addArray(path + "/row_ranges", H5Type::I32, {ranges.size() / 2, 2}, {}, given(bytesOf(ranges)),
                 e.target.place.tensor);
        return {};
    }

    /// An array of a linear's group, made from the tensor when it is written.
    void addPart(const std::string& group, const PlanEntry& e, const QuantizedPart& part) {
        std::vector<H5Attribute> marks;
        if (part.bfloat) marks.push_back({"qs_dtype", std::string(dtypeInfo(DType::BF16).name)});
        addArray(
            group + "/" + part.name, part.type, part.shape, std::move(marks),
            [cache = cache_, entry = &e,
             bytes = part.bytes](Bytes& buffer) -> Result<std::span<const std::byte>> {
                QS_TRY(const auto q, cache->get(*entry));
                QS_TRY(buffer, bytes(*q));
                return std::span<const std::byte>(buffer);
            },
            e.target.place.tensor);
    }

    /// The arrays of a linear; the attributes of their group.
    Result<std::vector<H5Attribute>> addLinear(const PlanEntry& e, const std::string& group,
                                               const char* stored) {
        QS_TRY(const auto codec, createCodec(e.scheme->codec, e.scheme->codecParams));
        QS_TRY(const QuantizedTensor shape, emptyQuantizedTensor(*codec, e.target.rows, e.target.cols));
        QS_TRY(auto parts, quantizedParts(shape));
        std::vector<H5Attribute> attributes = quantizedAttributes(e.target.module, shape);
        attributes.push_back({"block_rows", int64_t(shape.layout.blockRows)});
        attributes.push_back({"stored", stored});
        addValues(*codec, shape, group, parts, attributes);
        QS_TRY(const MethodDescriptor* method, findMethod(e.scheme->method));
        const ExtrasSize extras = extrasOf(*method, *e.scheme, e.target.rows, e.target.cols);
        if (extras != ExtrasSize{}) attributes.push_back({"extras", hdf5ExtrasFormula(extras)});
        for (QuantizedPart& part : hdf5ExtrasParts(extras, e.target.rows, e.target.cols))
            parts.push_back(std::move(part));
        for (const QuantizedPart& part : parts)
            addPart(group, e, part);
        return attributes;
    }

    /// What codes stand for: the formula, and the table it needs.
    void addValues(const Codec& codec, const QuantizedTensor& shape, const std::string& group,
                   std::vector<QuantizedPart>& parts, std::vector<H5Attribute>& attributes) {
        switch (hdf5ValuesOf(codec, shape)) {
        case Hdf5Values::Integers:
            attributes.push_back({"values", kIntegerValues});
            return;
        case Hdf5Values::Levels:
            attributes.push_back({"values", kLevelValues});
            attributes.push_back({"levels", levelTable(codec)});
            return;
        case Hdf5Values::OwnLevels:
            attributes.push_back({"values", kLevelValues});
            attributes.push_back({"levels", group + "/levels"});
            useOwnLevels(parts, shape, size_t(codec.levels()));
            return;
        case Hdf5Values::Table:
            attributes.push_back({"values", kTableValues});
            parts.push_back({"table",
                             H5Type::F32,
                             {shape.scale.rows(), shape.scale.cols(), uint64_t(codec.levels())},
                             false,
                             tableBytes});
        }
    }

    /// The path of the codec's table; equal tables are stored once.
    std::string levelTable(const Codec& codec) {
        const std::vector<float> levels = exportedLevels(codec);
        const auto [it, added] = tables_.try_emplace(levels, fmt::format("/levels/{}", tables_.size()));
        if (added)
            addArray(it->second, H5Type::F32, {levels.size()}, {}, given(bytesOf(levels)), "values of codes");
        return it->second;
    }

    Result<void> addScaling(const QuantTarget& target) {
        if (!source_.scaling) return {};
        QS_TRY(const TensorScaling scaling, source_.scaling(target));
        for (const auto& [name, factors] :
             {std::pair("rows", &scaling.rows), std::pair("columns", &scaling.columns)})
            if (!factors->empty())
                addArray("/scaling/" + h5EscapeName(target.weight) + "/" + name, H5Type::F32,
                         {factors->size()}, {}, given(bytesOf(*factors)), "factors of transforms");
        return {};
    }

    Result<void> addFiles() {
        const fs::path folder = companionFolder(source_.checkpoint());
        if (folder.empty()) {
            if (source_.checkpoint().hasConfig())
                addFile("config.json", source_.checkpoint().config().dump(2) + "\n");
            return {};
        }
        // Ours, of an earlier export that is now the source, would describe the wrong weights.
        QS_TRY(auto names, companionFileNames(folder, {"quantoscope.json", "receipt.json"}));
        if (source_.checkpoint().hasConfig()) names.push_back("config.json");
        for (const std::string& name : names) {
            QS_TRY(const std::string text, readTextFile(folder / name, kMaxFile));
            addFile(name, text);
        }
        return {};
    }
    void addFile(const std::string& name, const std::string& text) {
        addText("/files/" + h5EscapeName(name), text);
        objects_.back().attributes.push_back({"name", name});
        objects_.back().line = name;
    }

    const ExportSource& source_;
    std::shared_ptr<TensorCache> cache_;
    std::vector<Hdf5Object> objects_;
    std::map<std::vector<float>, std::string> tables_;
};

} // namespace

Result<std::vector<Hdf5Object>> hdf5Objects(const ExportSource& source) {
    return Objects(source).make();
}

} // namespace qs
