// SPDX-License-Identifier: Apache-2.0
#include "app/cli/export_report.h"

#include "app/cli/text.h"

#include <fmt/format.h>

namespace qs::cli {

std::string receiptText(const Receipt& r) {
    Table tensors({{"tensor"}, {"planned"}, {"done"}, {"codes differing", true}, {"max |delta|", true}});
    for (const ReceiptLine& line : r.lines)
        tensors.add({line.tensor, line.planned, line.done, std::to_string(line.codesDiffering),
                     number(line.maxDelta)});
    Table files({{"file"}, {"SHA-256"}});
    for (const auto& [name, hash] : r.files)
        files.add({name, hash});
    Fields f;
    f.add("Folder", r.directory.string());
    f.add("Format", r.exporter);
    f.add("Weight files",
          fmt::format("{} planned, {} written", humanBytes(r.bytesPlanned), humanBytes(r.bytesWritten)));
    if (!r.transforms.empty()) f.add("Scaled before", transformsText(r.transforms));
    f.add("Max |delta|", number(r.maxDelta));
    return tensors.text() + "\n" + files.text() + "\n" + f.text() + r.summary() + "\n";
}

} // namespace qs::cli
