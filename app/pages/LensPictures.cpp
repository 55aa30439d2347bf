// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/LensPictures.h"

#include "widgets/models/Metric.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>

namespace qs::app {

namespace {

struct Texts {
    Q_DECLARE_TR_FUNCTIONS(qs::app::LensPictures)
};

bool anyCounted(const Histogram& h) {
    return std::any_of(h.counts.begin(), h.counts.end(), [](uint64_t n) { return n > 0; });
}

/// Bins with `room` empty ones at each side, so that what stands at an end is seen.
QVector<quint64> padded(const Histogram& h, int room) {
    QVector<quint64> counts(qsizetype(h.counts.size()) + 2 * room, 0);
    std::copy(h.counts.begin(), h.counts.end(), counts.begin() + room);
    return counts;
}

void setRange(ui::HistogramData& data, const Histogram& h, int room) {
    double lo = h.lo, hi = h.hi;
    if (!(lo < hi)) { // one value only
        const double width = std::max(1e-6, std::abs(lo) * 0.1);
        lo -= width;
        hi += width;
    }
    const double bin = (hi - lo) / double(h.counts.size());
    data.lo = lo - room * bin;
    data.hi = hi + room * bin;
}

/// The report of the tensor in front says what its rows were.
QString rowsText(const LensView& view) {
    const QuantReport& r = view.report;
    const QString groups =
        Texts::tr("%1 groups", nullptr, int(r.layout.groups)).arg(ui::integerText(qint64(r.layout.groups))) +
        QStringLiteral(" × ") +
        Texts::tr("%1 rows", nullptr, int(r.rows)).arg(ui::integerText(qint64(r.rows)));
    return view.rowStep == 1 ? groups : Texts::tr("%1, coarse: 1 of %2 rows").arg(groups).arg(view.rowStep);
}

} // namespace

ui::HistogramDataPtr histogramPicture(const Session& session, int target) {
    auto data = std::make_shared<ui::HistogramData>();
    data->xTitle = Texts::tr("weight");
    const auto comparison = session.comparison();
    if (target < 0 || !comparison || comparison->target != target) {
        data->emptyText = !session.model() ? QString()
                          : target < 0     ? Texts::tr("Select a tensor to see its weights.")
                          : session.comparisonNote().isEmpty() ? Texts::tr("Reading the weights")
                                                               : session.comparisonNote();
        return data;
    }
    const ui::TargetRow& row = session.table()->row(target);
    const QuantReport& report = comparison->report;
    data->title = Texts::tr("Weights, %1 values").arg(ui::integerText(qint64(row.rows * row.cols)));
    setRange(*data, report.original, 0);
    data->before = padded(report.original, 0);
    data->beforeLabel = comparison->scaled
                            ? Texts::tr("original %1, scaled as the run did").arg(row.sourceType)
                            : Texts::tr("original %1").arg(row.sourceType);
    if (anyCounted(report.quantized)) {
        data->after = padded(report.quantized, 0);
        data->afterLabel = comparison->label;
    }
    return data;
}

ui::HistogramDataPtr lensHistogram(const Lens& lens, LensUnits units) {
    auto data = std::make_shared<ui::HistogramData>();
    const auto view = lens.now();
    if (!view) {
        data->emptyText = lens.target() < 0       ? Texts::tr("Select a tensor to see its weights.")
                          : lens.note().isEmpty() ? Texts::tr("Reading the weights")
                                                  : lens.note();
        return data;
    }
    const QuantReport& r = view->report;
    const bool quantized = r.levels > 0, codes = quantized && units == LensUnits::Code;
    const Histogram& before = codes ? r.originalCodes : r.original;
    const int room = int(before.counts.size() / 40);
    setRange(*data, before, room);
    data->before = padded(before, room);
    data->beforeLabel = isScaled(lens.source()->scaling) ? Texts::tr("original, scaled as the run did")
                                                         : Texts::tr("original");
    data->xTitle = codes       ? Texts::tr("code units, w ÷ scale + zero · %1").arg(rowsText(*view))
                   : quantized ? Texts::tr("weight · %1").arg(rowsText(*view))
                               : Texts::tr("weight");
    if (!quantized) return data;
    data->after = padded(codes ? r.quantizedCodes : r.quantized, room);
    data->afterLabel = Texts::tr("dequantized, %1 levels").arg(r.levels);
    const double clipped = 100.0 * double(r.clipped) / (double(r.rows) * double(r.cols));
    data->clipLabel = Texts::tr("clipped, %1 % of weights").arg(ui::numberText(clipped, 3));
    if (codes && r.levels <= 64)
        if (const auto lines = clipLines(lens, units)) {
            // On the kept grid the levels are the codes; those of another range close in on the centre with
            // the lines.
            const double f = (lines->hi - lines->centre) / (lines->homeHi - lines->centre);
            for (int level = 0; level < r.levels; ++level)
                data->levels.push_back(lines->centre + f * (level - lines->centre));
        }
    return data;
}

ui::HistogramDataPtr lensErrors(const Lens& lens) {
    auto data = std::make_shared<ui::HistogramData>();
    data->errors = true;
    data->xTitle = Texts::tr("error w′ − w");
    const auto view = lens.now();
    if (!view || view->report.levels == 0) {
        if (view) data->emptyText = Texts::tr("The tensor is kept in its source format: no error.");
        return data;
    }
    const auto before = lens.before() ? lens.before() : lens.isWhatIf() ? lens.original() : lens.baseline();
    const Histogram& h = view->report.errors;
    setRange(*data, h, 0);
    data->before = padded(h, 0);
    data->beforeLabel = lens.isWhatIf() ? Texts::tr("error, this range") : Texts::tr("error");
    if (!before || before == view) return data;
    const Histogram& o = before->report.errors;
    data->outline = {o.lo, o.hi, padded(o, 0),
                     lens.before()     ? Texts::tr("before the drag")
                     : lens.isWhatIf() ? Texts::tr("recipe or run")
                                       : Texts::tr("rounded, min–max")};
    // A coarse picture counts some of the rows: the outline is scaled to them.
    const double scale = double(view->report.rows) / double(before->report.rows);
    for (quint64& n : data->outline.counts)
        n = quint64(std::llround(double(n) * scale));
    return data;
}

ui::ErrorMapDataPtr lensErrorMap(const Lens& lens, ErrorMapKind kind) {
    auto data = std::make_shared<ui::ErrorMapData>();
    const auto view = lens.now();
    if (!view || view->report.levels == 0) {
        if (view) data->emptyText = Texts::tr("The tensor is kept in its source format: no error.");
        return data;
    }
    const QuantReport& r = view->report;
    data->rows = int(r.rows);
    data->groups = int(r.layout.groups);
    data->groupSize = int(r.layout.groupSize);
    data->rowStep = int(view->rowStep);
    data->unit = QStringLiteral("%");
    data->values.reserve(qsizetype(r.groupError.size()));
    if (kind == ErrorMapKind::Relative) {
        data->valueTitle = Texts::tr("relative error");
        data->valueHint = Texts::tr("‖w′ − w‖ / ‖w‖ of the group; less is better");
        for (const float v : r.groupError.span())
            data->values.push_back(100 * v);
        return data;
    }
    data->valueTitle = Texts::tr("of the largest");
    data->valueHint = Texts::tr("‖w′ − w‖² of the group, as a share of the largest group's");
    double most = 0;
    for (const float v : r.groupSquare.span())
        most = std::max(most, double(v));
    for (const float v : r.groupSquare.span())
        data->values.push_back(most > 0 ? float(100 * double(v) / most) : 0);
    return data;
}

ui::AnatomyDataPtr anatomyPicture(const Lens& lens, const MethodTrials& trials) {
    auto data = std::make_shared<ui::AnatomyData>();
    const auto anatomy = trials.anatomy();
    if (!anatomy || anatomy->codes.size() != trials.trials().size()) {
        const auto view = lens.now();
        data->emptyText = lens.target() < 0 ? QString()
                          : view && view->report.levels == 0
                              ? Texts::tr("The tensor is kept in its source format: it has no codes.")
                              : Texts::tr("Reading the weights");
        return data;
    }
    const GroupSlice& s = anatomy->slice;
    data->row = int(s.row);
    data->group = int(s.group);
    data->columns = QVector<int>(s.columns.begin(), s.columns.end());
    data->weights = QVector<double>(s.weights.begin(), s.weights.end());
    data->largest = int(s.largest);
    data->levels = anatomy->levels;
    for (size_t i = 0; i < trials.trials().size(); ++i) {
        const MethodTrial& trial = trials.trials()[i];
        if (trial.label.isEmpty()) continue;
        ui::AnatomyMethod m{trial.label, trial.note, 0, 0, {}, {}, {}, 0, 0};
        if (const auto& c = anatomy->codes[i]) {
            m.scale = double(c->scale);
            m.zero = c->zero;
            m.codes = QVector<int>(c->codes.begin(), c->codes.end());
            m.nearest = QVector<bool>(c->nearest.begin(), c->nearest.end());
            for (const float v : c->values)
                m.levels.push_back(double(v) / m.scale + m.zero);
            m.weightError = 100 * c->weightError;
            m.outputError = c->outputError < 0 ? ui::kNotMeasured : 100 * c->outputError;
        }
        data->methods.push_back(std::move(m));
    }
    return data;
}

double ClipLines::ratio(double atLo, double atHi) const {
    // The end that is further from the centre tells it best.
    const bool high = std::abs(endHi - centre) >= std::abs(endLo - centre);
    return high ? (atHi - centre) / (endHi - centre) : (atLo - centre) / (endLo - centre);
}

std::optional<ClipLines> clipLines(const Lens& lens, LensUnits units) {
    const auto now = lens.now(), kept = lens.kept();
    if (!now || !kept || now->report.levels == 0) return std::nullopt;
    ClipLines c;
    double endLo = now->report.original.lo, endHi = now->report.original.hi;
    if (units == LensUnits::Code) {
        // The kept grid: its mean zero, and half a step beyond its codes.
        const QuantizedTensor& grid = *kept->quantized.tensor;
        double sum = 0;
        const auto codec = codecOf(grid);
        if (!codec) return std::nullopt;
        for (size_t i = 0; i < grid.zero.size(); ++i)
            sum += (*codec)->level(0, grid.scale.data()[i], grid.zero.data()[i]);
        c.centre = sum / double(grid.zero.size());
        endLo = c.centre + (-0.5 - c.centre) / kept->clip;
        endHi = c.centre + (now->report.levels - 0.5 - c.centre) / kept->clip;
    }
    if (!(endLo < endHi)) return std::nullopt;
    const double ratio = lens.range().rule != RangeRule::MinMax ? now->clip : double(lens.range().clip);
    const auto at = [&](double end, double r) { return c.centre + r * (end - c.centre); };
    c.endLo = endLo;
    c.endHi = endHi;
    c.lo = at(endLo, ratio);
    c.hi = at(endHi, ratio);
    c.homeLo = at(endLo, kept->clip);
    c.homeHi = at(endHi, kept->clip);
    return c;
}

} // namespace qs::app
