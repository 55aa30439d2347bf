// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/LensPanel.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/ViewSetup.h"

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <numeric>

namespace qs::app {

namespace {

constexpr int kSide = 10;
enum RangeRow { FormatRow, RuleRow, ClipRow, GridRow, ClippedRow };
enum Rule { MinMaxRule, ClipRule, MseRule, PercentileRule, KlRule };

Rule ruleOf(RangeChoice range) {
    switch (range.rule) {
    case RangeRule::Mse:
        return MseRule;
    case RangeRule::Percentile:
        return PercentileRule;
    case RangeRule::Divergence:
        return KlRule;
    default:
        return range.clip < 1 ? ClipRule : MinMaxRule;
    }
}

QString percent(double fraction, int digits = 3) {
    return QStringLiteral("%1 %").arg(ui::numberText(100 * fraction, digits));
}

/// "+3 %" of what it was; the sign of zero is none.
QString changeText(double before, double now) {
    if (!(before > 0)) return now == before ? QStringLiteral("0") : QString();
    const double change = 100 * (now / before - 1);
    return (change > 0 ? QStringLiteral("+") : QString()) + ui::formatNumber(change, 3) +
           QStringLiteral(" %");
}

QStandardItem* item(const QString& text, bool number = true) {
    auto* i = new QStandardItem(text);
    i->setEditable(false);
    if (number) i->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    return i;
}

QWidget* padded(QWidget* widget, int bottom = 6) {
    auto* frame = new QWidget;
    auto* layout = new QVBoxLayout(frame);
    layout->setContentsMargins(kSide, 2, kSide, bottom);
    layout->addWidget(widget);
    return frame;
}

} // namespace

QString worstGroupsText(const QuantReport& report) {
    const size_t groups = report.groupShare.size();
    if (groups < 2) return {};
    std::vector<size_t> order(groups);
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return report.groupShare[a] > report.groupShare[b]; });
    // Those that carry at least twice their part, at most three.
    QStringList names;
    double share = 0;
    for (const size_t g : order) {
        if (names.size() == 3 || report.groupShare[g] < 2.0 / double(groups)) break;
        names << QString::number(g);
        share += report.groupShare[g];
    }
    if (names.isEmpty()) return LensPanel::tr("The error is spread: no group carries twice its part.");
    const QString part = percent(double(names.size()) / double(groups), 2);
    const QString what =
        report.error.output >= 0 ? LensPanel::tr("output error") : LensPanel::tr("weight error");
    const QString text = names.size() == 1
                             ? LensPanel::tr("Group %1 is %2 of the groups and carries %3 of the %4.")
                             : LensPanel::tr("Groups %1 are %2 of the groups and carry %3 of the %4.");
    return text.arg(names.join(QStringLiteral(", ")), part, percent(share, 2), what);
}

LensPanel::LensPanel(Session* session, Lens* lens, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_lens(lens)
    , m_name(new QLabel)
    , m_what(new ui::Chip)
    , m_tensor(new ui::ElidedLabel)
    , m_rangeHead(new ui::SectionHeader(tr("Range")))
    , m_range(new ui::KeyValueGrid)
    , m_rule(new QComboBox)
    , m_clip(new QDoubleSpinBox)
    , m_errorHead(new ui::SectionHeader(tr("Error")))
    , m_errorView(new QTableView)
    , m_errors(new QStandardItemModel(this))
    , m_worstHead(new ui::SectionHeader(tr("Worst groups"), tr("row · group")))
    , m_worstView(new QTableView)
    , m_worst(new QStandardItemModel(this))
    , m_summary(new QLabel)
    , m_use(new QPushButton(tr("Use in recipe")))
    , m_reset(new QPushButton(tr("Reset clip")))
    , m_copy(new QPushButton(tr("Copy values"))) {
    setObjectName(QStringLiteral("lensPanel"));
    m_name->setTextFormat(Qt::PlainText);
    m_name->setFont(ui::boldFont());
    m_tensor->setFont(ui::monoFont());
    m_summary->setWordWrap(true);
    m_summary->setObjectName(QStringLiteral("worstSummary"));
    makeRange();
    makeTables();
    auto* line = new QHBoxLayout;
    line->setContentsMargins(kSide, 8, kSide, 0);
    line->addWidget(m_name);
    line->addStretch();
    line->addWidget(m_what);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(line);
    layout->addWidget(padded(m_tensor, 4));
    layout->addWidget(m_rangeHead);
    layout->addWidget(padded(m_range));
    layout->addWidget(m_errorHead);
    layout->addWidget(m_errorView);
    layout->addWidget(m_worstHead);
    layout->addWidget(m_worstView, 1);
    layout->addWidget(padded(m_summary));
    layout->addWidget(makeButtons());
    connect(lens, &Lens::changed, this, &LensPanel::refresh);
    refresh();
}

void LensPanel::makeRange() {
    m_rule->setObjectName(QStringLiteral("lensRule"));
    m_rule->setAccessibleName(tr("Range rule"));
    m_rule->addItems(
        {tr("Min–max"), tr("Clip ratio"), tr("MSE search"), tr("Percentile"), tr("KL divergence")});
    m_rule->setItemData(MinMaxRule, tr("The grid covers every weight of its group."), Qt::ToolTipRole);
    m_rule->setItemData(ClipRule, tr("The grid covers the same share of every group's range."),
                        Qt::ToolTipRole);
    m_rule->setItemData(MseRule, tr("Each group's own ratio, by the least sum of |error|^2.4."),
                        Qt::ToolTipRole);
    m_rule->setItemData(PercentileRule, tr("0.05 % of each group's weights on either side may lie outside."),
                        Qt::ToolTipRole);
    m_rule->setItemData(KlRule, tr("Each group's own ratio, by the histograms before and after rounding."),
                        Qt::ToolTipRole);
    m_clip->setObjectName(QStringLiteral("lensClip"));
    m_clip->setAccessibleName(tr("Clip ratio"));
    m_clip->setRange(0.05, 1);
    m_clip->setDecimals(3);
    m_clip->setSingleStep(0.01);
    m_clip->setKeyboardTracking(false);
    m_range->addRow(tr("Format"));
    m_range->addWidgetRow(tr("Rule"), m_rule);
    m_range->addWidgetRow(
        tr("Clip ratio"), m_clip,
        tr("Share of each group's range that its grid covers; 1 is min–max. With a search: the mean "
           "of the ratios it found."));
    m_range->addRow(tr("Symmetric"));
    m_range->addRow(tr("Clipped"), {}, ui::KeyValueGrid::Tone::Normal,
                    tr("Weights further outside the outermost level than half a step."));
    connect(m_rule, &QComboBox::currentIndexChanged, this, &LensPanel::tryFromControls);
    connect(m_clip, &QDoubleSpinBox::valueChanged, this, [this] {
        const QSignalBlocker block(m_rule);
        m_rule->setCurrentIndex(ClipRule);
        tryFromControls();
    });
}

void LensPanel::makeTables() {
    for (QTableView* view : {m_errorView, m_worstView}) {
        ui::setupTable(view);
        ui::installCopyAsTsv(view);
        view->setSelectionMode(QAbstractItemView::SingleSelection);
    }
    m_errorView->setModel(m_errors);
    m_errorView->setObjectName(QStringLiteral("lensErrors"));
    m_errorView->setAccessibleName(tr("Error against min–max"));
    m_errorView->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_worstView->setModel(m_worst);
    m_worstView->setObjectName(QStringLiteral("worstGroups"));
    m_worstView->setAccessibleName(tr("Worst groups"));
    m_worstView->setMinimumHeight(120);
    connect(m_worstView->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [this](const QModelIndex& index) {
                if (!index.isValid()) return;
                emit groupSelected(m_worst->item(index.row(), 0)->data().toInt(),
                                   m_worst->item(index.row(), 1)->data().toInt());
            });
}

QWidget* LensPanel::makeButtons() {
    m_use->setObjectName(QStringLiteral("useInRecipe"));
    m_use->setDefault(true);
    m_reset->setObjectName(QStringLiteral("resetClip"));
    m_copy->setObjectName(QStringLiteral("copyValues"));
    m_copy->setToolTip(tr("Weights and codes of the group in the anatomy, tab-separated."));
    auto* row = new QWidget;
    auto* layout = new QGridLayout(row); // three side by side would be wider than a narrow dock
    layout->setContentsMargins(kSide, 2, kSide, 8);
    layout->addWidget(m_use, 0, 0);
    layout->addWidget(m_reset, 0, 1);
    layout->addWidget(m_copy, 1, 0);
    layout->setColumnStretch(2, 1);
    connect(m_use, &QPushButton::clicked, this, &LensPanel::useInRecipe);
    connect(m_reset, &QPushButton::clicked, m_lens, &Lens::reset);
    connect(m_copy, &QPushButton::clicked, this, &LensPanel::copyValuesRequested);
    return row;
}

void LensPanel::refresh() {
    const auto view = m_lens->now();
    const bool quantized = view && view->report.levels > 0;
    const QString reason = quantized                   ? QString()
                           : m_lens->target() < 0      ? tr("Select a tensor.")
                           : !m_lens->note().isEmpty() ? m_lens->note()
                           : view                      ? tr("The tensor is kept in its source format.")
                                                       : tr("Reading the weights");
    if (m_lens->target() >= 0) {
        const ui::TargetRow& row = m_session->table()->row(m_lens->target());
        m_name->setText(
            row.block < 0 ? row.module
                          : tr("%1, block %2").arg(row.module.section(QLatin1Char('.'), -2)).arg(row.block));
        m_tensor->setText(row.tensor);
    } else {
        m_name->clear();
        m_tensor->setText({});
    }
    const bool whatIf = m_lens->isWhatIf();
    m_rangeHead->setNote(quantized && view->quantized.preview ? tr("rounded to nearest") : QString(), whatIf);
    m_what->setTone(whatIf ? ui::Chip::Tone::Predicted : ui::Chip::Tone::Neutral);
    m_what->setText(whatIf                    ? tr("what-if, not in recipe")
                    : !quantized              ? QString()
                    : view->quantized.preview ? tr("as in the recipe")
                                              : tr("written by the run"));
    for (QWidget* w : std::initializer_list<QWidget*>{m_rule, m_clip, m_copy}) {
        w->setEnabled(quantized);
        if (w != m_copy) w->setToolTip(reason);
    }
    // Formats that fit several groups together have a search of their own.
    const bool byGroup = quantized && view->quantized.codec->fitColumns() == 0;
    for (const int rule : {int(PercentileRule), int(KlRule)})
        m_rule->setItemData(rule, byGroup ? QVariant() : QVariant(0), Qt::UserRole - 1);
    m_use->setEnabled(whatIf);
    m_use->setToolTip(whatIf ? tr("Writes this range into the recipe, as one undo step.")
                             : tr("The recipe says this already: try another range first."));
    m_reset->setEnabled(whatIf);
    const RangeChoice range = m_lens->range();
    const QSignalBlocker blockRule(m_rule), blockClip(m_clip);
    m_rule->setCurrentIndex(ruleOf(range));
    m_clip->setValue(!quantized ? 1 : range.rule != RangeRule::MinMax ? view->clip : double(range.clip));
    m_range->setValue(FormatRow,
                      quantized ? QString::fromStdString(view->quantized.codec->label()) : QString());
    m_range->setValue(GridRow, !quantized                           ? QString()
                               : view->quantized.codec->symmetric() ? tr("yes")
                                                                    : tr("no"));
    m_range->setValue(ClippedRow,
                      !quantized ? QString()
                                 : tr("%1 of %2")
                                       .arg(ui::integerText(qint64(view->report.clipped)),
                                            ui::integerText(qint64(view->report.rows * view->report.cols))));
    refreshErrors();
    refreshWorst();
}

void LensPanel::refreshErrors() {
    m_errors->clear();
    m_errors->setHorizontalHeaderLabels({QString(), tr("min–max"), tr("now"), tr("Δ")});
    const auto now = m_lens->now(), base = m_lens->baseline();
    const bool weighted = now && now->report.error.output >= 0;
    m_errorHead->setNote(!now || now->report.levels == 0 ? QString()
                         : weighted                      ? tr("measured on this tensor")
                         : m_session->calibration()      ? tr("of weights: no Σ that fits")
                                                         : tr("of weights: not calibrated"));
    if (now && base && now->report.levels > 0) {
        const auto add = [&](const QString& name, const QString& hint, double before, double after,
                             auto text) {
            auto* label = item(name, false);
            label->setToolTip(hint);
            auto* value = item(text(after));
            value->setFont(ui::boldFont());
            auto* change = item(changeText(before, after));
            m_errors->appendRow({label, item(text(before)), value, change});
        };
        const QuantReport &a = base->report, &b = now->report;
        add(tr("RMS, relative"), tr("‖w′ − w‖ / ‖w‖; less is better"), std::sqrt(a.error.weight),
            std::sqrt(b.error.weight), [](double v) { return percent(v); });
        if (b.error.output >= 0)
            add(tr("Output (Σ)"), tr("tr(E Σ Eᵀ) / tr(W Σ Wᵀ) with the calibration's Σ; less is better"),
                a.error.output, b.error.output, [](double v) { return percent(v); });
        add(tr("max |Δw|"), tr("The largest error of a single weight"), a.error.maxAbs, b.error.maxAbs,
            [](double v) { return ui::numberText(v, 3); });
        add(tr("Cosine"), tr("⟨w, w′⟩ / (‖w‖ ‖w′‖); 1 is perfect"), a.cosine, b.cosine,
            [](double v) { return ui::formatFixed(v, 5); });
        add(tr("Codes used"), tr("Of the levels of the format"), a.codesUsed, b.codesUsed,
            [&](double v) { return tr("%1 of %2").arg(int(v)).arg(b.levels); });
    }
    m_errorView->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_errorView->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    m_errorView->setFixedHeight(24 + 22 * std::max(1, m_errors->rowCount()) + 2);
}

void LensPanel::refreshWorst() {
    m_worst->clear();
    const QString hint =
        tr("Input channel of the group's largest |w|: with min–max grids it sets the scale.");
    m_worst->setHorizontalHeaderLabels({tr("row"), tr("group"), tr("rel. error"), tr("channel")});
    m_worst->horizontalHeaderItem(3)->setToolTip(hint);
    m_summary->clear();
    const auto now = m_lens->now();
    if (now) {
        for (const GroupError& g : now->report.worst) {
            const int row = int(g.row * now->rowStep);
            auto *at = item(ui::integerText(row)), *group = item(ui::integerText(qint64(g.group)));
            at->setData(row);
            group->setData(int(g.group));
            m_worst->appendRow(
                {at, group, item(percent(g.relative)), item(ui::integerText(qint64(g.scaleChannel)))});
        }
        m_summary->setText(worstGroupsText(now->report));
    }
    m_worstHead->setNote(now && now->rowStep > 1 ? tr("coarse: 1 of %1 rows").arg(now->rowStep)
                                                 : tr("row · group"));
    m_worstView->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
}

void LensPanel::tryFromControls() {
    switch (m_rule->currentIndex()) {
    case MinMaxRule:
        return m_lens->tryRange({});
    case MseRule:
        return m_lens->tryRange(RangeRule::Mse);
    case PercentileRule:
        return m_lens->tryRange(RangeRule::Percentile);
    case KlRule:
        return m_lens->tryRange(RangeRule::Divergence);
    default:
        m_lens->tryRange({RangeRule::MinMax, float(m_clip->value())});
    }
}

void LensPanel::useInRecipe() {
    const auto source = m_lens->source();
    if (!source || !source->scheme) return;
    const auto scheme = withRange(*source->scheme, m_lens->range());
    const QString refused = scheme
                                ? m_session->table()->edit({source->target}, ui::SchemeEdit::replace(*scheme))
                                : QString::fromStdString(scheme.error().describe());
    if (!refused.isEmpty()) emit editRefused(refused);
}

} // namespace qs::app
