// SPDX-License-Identifier: Apache-2.0
#include "core/store/folded_store.h"

#include "core/store/store_schema.h"

#include "core/hdf5/h5_file.h"

#include <cmath>
#include <fmt/format.h>

namespace qs {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSchema = "quantoscope-folds";
constexpr int64_t kSchemaVersion = 1;

std::string keptName(const std::string& tensor) {
    return "/kept/" + h5EscapeName(tensor);
}
std::string scalingName(const std::string& tensor) {
    return "/scaling/" + h5EscapeName(tensor);
}

Result<std::unique_ptr<H5Reader>> openFile(const fs::path& path) {
    QS_TRY(auto file, H5Reader::open(path));
    QS_CHECK(requireSchema(*file, kSchema, kSchemaVersion));
    return file;
}

Result<std::vector<float>> readFactors(const H5Reader& file, const std::string& name, size_t count) {
    if (!file.exists(name)) return std::vector<float>();
    QS_TRY(std::vector<float> factors, file.array<float>(name, {count}));
    for (size_t i = 0; i < count; ++i)
        if (!(factors[i] > 0) || !std::isfinite(factors[i]))
            return Error::corrupt(fmt::format("factor {} is {}", i, factors[i]),
                                  file.path().string() + ": " + name);
    return factors;
}

} // namespace

Result<void> writeFoldedUnit(const fs::path& path, const FoldedUnit& unit) {
    QS_TRY(auto writer, H5Writer::begin(path));
    QS_CHECK(writer->attribute("/", "schema", kSchema));
    QS_CHECK(writer->attribute("/", "schema_version", kSchemaVersion));
    for (const auto& [tensor, values] : unit.kept)
        QS_CHECK(writer->matrix(keptName(tensor), values, H5Filter::Compress));
    for (const auto& [tensor, scaling] : unit.scaling)
        for (const auto& [part, factors] :
             {std::pair("/rows", &scaling.rows), std::pair("/columns", &scaling.columns)})
            if (!factors->empty())
                QS_CHECK(writer->array<float>(scalingName(tensor) + part, *factors, {factors->size()},
                                              H5Filter::Compress));
    return writer->commit();
}

Result<Matrix> readKeptTensor(const fs::path& path, const std::string& tensor, size_t rows, size_t cols) {
    QS_TRY(const auto file, openFile(path));
    const std::string name = keptName(tensor);
    QS_TRY(Matrix values, file->matrix<float>(name, rows, cols));
    for (size_t i = 0; i < values.size(); ++i)
        if (!std::isfinite(values.data()[i]))
            return Error::corrupt(fmt::format("value {} is not finite", i), path.string() + ": " + name);
    return values;
}

Result<TensorScaling> readScaling(const fs::path& path, const std::string& tensor, size_t rows, size_t cols) {
    QS_TRY(const auto file, openFile(path));
    TensorScaling out;
    QS_TRY(out.rows, readFactors(*file, scalingName(tensor) + "/rows", rows));
    QS_TRY(out.columns, readFactors(*file, scalingName(tensor) + "/columns", cols));
    return out;
}

} // namespace qs
