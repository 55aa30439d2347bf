// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/gguf_set.h"
#include "core/export/gguf_format.h"
#include "core/export/gguf_layout.h"
#include "core/export/verify.h"
#include "core/linalg/parallel.h"
#include "core/text/gguf_export.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace qs {

namespace {

constexpr size_t kRowGrain = 16;

std::string storedAs(const GgmlType& type, const std::vector<uint64_t>& shape) {
    return fmt::format("{} [{}]", type.name, fmt::join(shape, ", "));
}

/// One export that has been opened again.
class Verifier {
public:
    Verifier(const ExportSource& source, const GgufLayout& layout, const GgufSet& set, const Model& written,
             Receipt& receipt)
        : source_(source), layout_(layout), set_(set), written_(written), receipt_(receipt) {}

    Result<void> run(const JobContext& job) {
        compareFields();
        compareModel();
        std::set<std::string_view> planned;
        for (const GgufItem& item : layout_.items)
            planned.insert(item.name);
        for (const GgufSet::Tensor& t : set_.tensors())
            if (!planned.count(t.info.name))
                receipt_.lines.push_back({std::string(t.info.name), "absent", "present"});
        for (size_t i = 0; i < layout_.items.size(); ++i) {
            QS_CHECK(job.checkpoint());
            job.report("Verify " + layout_.items[i].name, double(i), double(layout_.items.size()));
            QS_CHECK(compareItem(i));
        }
        return {};
    }

private:
    void compareFields() {
        const auto& fields = layout_.parts.front().fields.list();
        const std::string planned = fmt::format("{} keys", fields.size());
        std::string done = fmt::format("{} keys", set_.metadata().entries().size());
        for (const GgufFields::Field& f : fields) {
            const GgufValue* value = set_.metadata().find(f.key);
            GgufFields again;
            if (value) again.copy(f.key, *value);
            if (value && value->type == f.type && again.list().front().value == f.value) continue;
            done = fmt::format("{} is {}", f.key, value ? "another value" : "missing");
            break;
        }
        receipt_.lines.push_back({"metadata", planned, done});
    }

    void compareModel() {
        const std::string graph = written_.hasForward()
                                      ? ggufSpecDifference(source_.model->spec(), written_.spec())
                                      : written_.noForwardReason();
        addFileLine("architecture", fmt::format("computes what {} does", source_.model->spec().architecture),
                    graph.empty(), "differs: " + graph, receipt_);
        const auto before = source_.model->tokenizer(), after = written_.tokenizer();
        if (!before) return;
        const std::string text = after ? text::differentlyTokenized(*before, *after) : "no tokenizer";
        addFileLine("tokenizer", "the same ids", text.empty(), "others: " + text, receipt_);
    }

    Result<void> compareItem(size_t index) {
        const GgufItem& item = layout_.items[index];
        const GgufOutput* output =
            index < layout_.outputs.list.size() ? &layout_.outputs.list[index] : nullptr;
        ReceiptLine line;
        line.tensor = item.name;
        line.planned = line.done = describe(output) + storedAs(*item.type, item.shape);
        const size_t found = set_.find(item.name);
        if (found == GgufSet::npos) {
            line.done = "missing";
        } else if (const GgufTensor& t = set_.tensors()[found].info;
                   t.type != item.type || t.shape != item.shape) {
            line.done = describe(output) + storedAs(*t.type, t.shape);
        } else {
            QS_CHECK(compareBytes(item, found, line));
            if (output) QS_CHECK(compareOutput(*output, line));
            if (line.codesDiffering)
                line.done +=
                    fmt::format(", {} values differ by up to {:.3g}", line.codesDiffering, line.maxDelta);
        }
        receipt_.lines.push_back(std::move(line));
        return {};
    }

    static std::string describe(const GgufOutput* output) {
        if (!output || !output->quantized()) return "kept as ";
        const PlanEntry& first = *output->slices.front().entries.front();
        const auto codec = createCodec(first.scheme->codec, first.scheme->codecParams);
        return codec ? (*codec)->label() + " as " : std::string();
    }

    Result<void> compareBytes(const GgufItem& item, size_t found, ReceiptLine& line) const {
        QS_TRY(const auto have, set_.bytes(found));
        std::vector<std::byte> want(size_t(item.bytes()));
        QS_CHECK(item.fill(want));
        if (have.size() != want.size() || std::memcmp(have.data(), want.data(), want.size()) != 0)
            line.done += ", stored bytes differ";
        return {};
    }

    Result<void> compareOutput(const GgufOutput& output, ReceiptLine& line) const {
        for (const GgufSlice& slice : output.slices) {
            const size_t found = written_.checkpoint().find(slice.name);
            if (found == Checkpoint::npos) {
                line.done = "not presented as " + slice.name;
                return {};
            }
            QS_CHECK(slice.entries.empty() ? compareKept(output, slice, found, line)
                                           : compareQuantized(slice, found, line));
        }
        return {};
    }

    Result<void> compareKept(const GgufOutput& output, const GgufSlice& slice, size_t found,
                             ReceiptLine& line) const {
        QS_TRY(const Matrix want, keptGgufValues(source_, output, slice));
        QS_TRY(const Matrix have, written_.checkpoint().readMatrix(found));
        if (have.rows() != want.rows() || have.cols() != want.cols())
            line.done += fmt::format(", presented as [{}, {}]", have.rows(), have.cols());
        else
            line.codesDiffering += compareValues(have.span(), want.span(), line);
        return {};
    }

    Result<void> compareQuantized(const GgufSlice& slice, size_t found, ReceiptLine& line) const {
        if (slice.entries.size() == 1 && slice.entries.front()->target.place.whole())
            return compareRows(*slice.entries.front(), found, line);
        QS_TRY(const Matrix stored, written_.checkpoint().readMatrix(found));
        for (const PlanEntry* e : slice.entries) {
            QS_TRY(const auto q, layout_.cache->get(*e));
            QS_TRY(const auto codec, codecOf(*q));
            Matrix want(q->rows, q->cols), have(q->rows, q->cols);
            linalg::parallelFor(q->rows, kRowGrain, [&](size_t begin, size_t end) {
                codec->dequantizeRows(*q, begin, want.view().block(begin, end - begin, 0, q->cols));
            });
            gatherPlace(e->target.place, stored.view(), have.view());
            line.codesDiffering += compareValues(have.span(), want.span(), line);
        }
        return {};
    }

    /// Of a stored tensor that is the weight: by few rows, which stay in the caches.
    Result<void> compareRows(const PlanEntry& e, size_t found, ReceiptLine& line) const {
        QS_TRY(const auto q, layout_.cache->get(e));
        QS_TRY(const auto codec, codecOf(*q));
        const size_t count = (q->rows + kRowGrain - 1) / kRowGrain;
        std::vector<ReceiptLine> parts(count);
        linalg::FirstError errors;
        linalg::parallelFor(count, 1, [&](size_t begin, size_t end) {
            Matrix have(kRowGrain, q->cols), want(kRowGrain, q->cols);
            for (size_t p = begin; p < end; ++p) {
                const size_t first = p * kRowGrain, rows = std::min(kRowGrain, q->rows - first);
                const auto part = [&](Matrix& m) { return m.view().block(0, rows, 0, q->cols); };
                if (auto read = written_.checkpoint().readRows(found, first, part(have)); !read) {
                    errors.note(std::move(read));
                    return;
                }
                codec->dequantizeRows(*q, first, part(want));
                const size_t values = rows * q->cols;
                parts[p].codesDiffering =
                    compareValues(have.span().first(values), want.span().first(values), parts[p]);
            }
        });
        for (const ReceiptLine& part : parts) {
            line.notFinite += part.notFinite;
            line.codesDiffering += part.codesDiffering;
            line.maxDelta = std::max(line.maxDelta, part.maxDelta);
        }
        return errors.result();
    }

    const ExportSource& source_;
    const GgufLayout& layout_;
    const GgufSet& set_;
    const Model& written_;
    Receipt& receipt_;
};

} // namespace

Result<Receipt> verifyGguf(const ExportSource& source, const std::filesystem::path& directory,
                           const JobContext& job) {
    Receipt receipt;
    QS_TRY(const auto layout, ggufLayout(source));
    for (const GgufPart& part : layout->parts)
        receipt.bytesPlanned += ggufFileSize(part, layout->items);
    QS_TRY(const auto set, GgufSet::open(directory / layout->parts.front().name));
    QS_TRY(const auto written, openModel(directory));
    QS_CHECK(Verifier(source, *layout, *set, *written, receipt).run(job));
    QS_CHECK(finishReceipt(directory, receipt, job));
    return receipt;
}

} // namespace qs
