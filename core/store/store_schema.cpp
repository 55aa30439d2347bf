// SPDX-License-Identifier: Apache-2.0
#include "core/store/store_schema.h"

#include <fmt/format.h>

namespace qs {

Result<void> requireSchema(const H5Reader& file, const std::string& schema, int64_t newest) {
    const std::string where = file.path().string();
    QS_TRY(const std::string found, file.stringAttribute("/", "schema"));
    if (found != schema)
        return Error::corrupt(fmt::format("schema is '{}', expected '{}'", found, schema), where);
    QS_TRY(const int64_t version, file.intAttribute("/", "schema_version", 1, 1 << 20));
    if (version <= newest) return {};
    const std::string read = newest > 1 ? fmt::format("1 .. {}", newest) : std::to_string(newest);
    return Error::unsupported(fmt::format("schema version {}, this program reads {}", version, read), where);
}

} // namespace qs
