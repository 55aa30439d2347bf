// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ScalingPane.h"

#include "app/pages/ToneLabel.h"
#include "widgets/models/Metric.h"
#include "widgets/views/Chip.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QDoubleSpinBox>
#include <QHeaderView>
#include <QLabel>
#include <QRegularExpression>
#include <QSplitter>
#include <QStackedWidget>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>
#include <cmath>

namespace qs::app {

namespace {

constexpr double kInterval = 1.96; ///< standard errors of a 95 % interval
constexpr double kBillion = 1e9;

double mib(double bits) {
    return bits / 8 / 0x1p20;
}

QVBoxLayout* column(QWidget* widget) {
    auto* layout = new QVBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    return layout;
}

QStandardItem* cell(const QString& text, bool number = false, const QString& toolTip = {}) {
    auto* item = new QStandardItem(text);
    item->setEditable(false);
    item->setToolTip(toolTip);
    if (number) item->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    return item;
}

QTableView* makeTable(const char* name, const QString& accessible, QStandardItemModel* model) {
    auto* view = new QTableView;
    view->setObjectName(QLatin1String(name));
    view->setAccessibleName(accessible);
    ui::setupTable(view);
    view->setModel(model);
    view->setEditTriggers(QAbstractItemView::NoEditTriggers);
    return view;
}

void setHeaders(QStandardItemModel* model, const QStringList& titles, int firstNumber, int lastNumber) {
    model->setHorizontalHeaderLabels(titles);
    for (int c = firstNumber; c <= lastNumber; ++c)
        model->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
}

QString percent(double share) {
    return std::isfinite(share) ? ui::formatFixed(100 * share, 1) : QString();
}

QString verdictText(FourBitVerdict verdict) {
    switch (verdict) {
    case FourBitVerdict::AsItIs:
        return ScalingPane::tr("4 bits as it is");
    case FourBitVerdict::Smoothed:
        return ScalingPane::tr("4 bits once smoothed");
    case FourBitVerdict::Rotated:
        return ScalingPane::tr("4 bits once rotated");
    case FourBitVerdict::RotatedInRun:
        return ScalingPane::tr("4 bits, rotated while it runs");
    case FourBitVerdict::NotInFour:
        return ScalingPane::tr("8 bits");
    case FourBitVerdict::NotKnown:
        return ScalingPane::tr("not known");
    }
    return {};
}

/// Under a title that says what it is about.
QString shortVerdict(FourBitVerdict verdict) {
    switch (verdict) {
    case FourBitVerdict::AsItIs:
        return ScalingPane::tr("as it is");
    case FourBitVerdict::Smoothed:
        return ScalingPane::tr("smoothed");
    case FourBitVerdict::Rotated:
        return ScalingPane::tr("rotated");
    case FourBitVerdict::RotatedInRun:
        return ScalingPane::tr("rotated in the run");
    case FourBitVerdict::NotInFour:
        return ScalingPane::tr("not: 8 bits");
    case FourBitVerdict::NotKnown:
        return ScalingPane::tr("not known");
    }
    return {};
}

/// A number stays with its unit where the line breaks.
QString unbroken(const std::string& text) {
    static const QRegularExpression unit(QStringLiteral("(\\d) ([MBT])\\b"));
    return QString::fromStdString(text).replace(unit, QStringLiteral("\\1\u00a0\\2"));
}

ui::Chip::Tone toneOf(FourBitVerdict verdict) {
    return verdict == FourBitVerdict::AsItIs      ? ui::Chip::Tone::Ok
           : verdict == FourBitVerdict::NotInFour ? ui::Chip::Tone::Error
           : verdict == FourBitVerdict::NotKnown  ? ui::Chip::Tone::Neutral
                                                  : ui::Chip::Tone::Warning;
}

QString lawText(const KBitLaw& law) {
    switch (law.verdict) {
    case KBitLaw::Verdict::Agrees:
        return ScalingPane::tr("The runs agree: 4 bits are best wherever they were compared at equal total "
                               "bits.");
    case KBitLaw::Verdict::Partly:
        return ScalingPane::tr("The runs agree in part: 4 bits are best at some of the sizes where they were "
                               "compared.");
    case KBitLaw::Verdict::Disagrees:
        return ScalingPane::tr("The runs disagree: another width is better wherever 4 bits were compared at "
                               "equal total bits.");
    case KBitLaw::Verdict::Undecided:
        break;
    }
    return ScalingPane::tr("Whether 4 bits are best at equal total bits these runs cannot tell: 4 bits and "
                           "another width must overlap in size.");
}

QString rangesText(const KBitLaw& law) {
    QStringList out;
    for (const BestWidth& r : law.ranges)
        out << ScalingPane::tr("%1 to %2 MiB: %3 bits")
                   .arg(ui::formatFixed(mib(r.leastBits), 2), ui::formatFixed(mib(r.mostBits), 2))
                   .arg(r.width);
    return out.isEmpty() ? QString() : QLatin1Char(' ') + out.join(QStringLiteral("; ")) + QLatin1Char('.');
}

/// In order of use; of too many for a table those with most to lose, worst first.
std::vector<const FourBitSite*> shownSites(const FourBitReport& report) {
    std::vector<const FourBitSite*> out;
    for (const FourBitSite& s : report.sites)
        if (report.sites.size() <= ScalingPane::kShown || s.verdict != FourBitVerdict::NotKnown)
            out.push_back(&s);
    if (out.size() <= ScalingPane::kShown) return out;
    std::ranges::stable_sort(out, std::greater(), [](const FourBitSite* s) { return s->plain; });
    out.resize(ScalingPane::kShown);
    return out;
}

ui::CostMark markOf(const ScalingPoint& p, bool onFrontier) {
    ui::CostMark mark;
    mark.kind = onFrontier ? ui::CostMark::Measured : ui::CostMark::Option;
    mark.x = mib(p.at.totalBits);
    mark.y = p.at.quality;
    mark.high = p.at.quality + kInterval * p.klStderr;
    mark.low = std::max(p.at.quality / 10, p.at.quality - kInterval * p.klStderr);
    if (p.letter) mark.label = QLatin1Char(p.letter);
    mark.readout = {p.name,
                    p.summary,
                    ScalingPane::tr("%1 MiB, %2 bits per quantized weight")
                        .arg(ui::formatFixed(mark.x, 2), ui::formatFixed(p.bitsPerWeight, 3)),
                    ScalingPane::tr("KL: %1 ± %2 nats per token (95 %)")
                        .arg(ui::formatNumber(p.at.quality), ui::formatNumber(kInterval * p.klStderr, 2)),
                    ScalingPane::tr("loss: %1 ± %2 nats per token (95 %)")
                        .arg(ui::formatNumber(p.nll, 5), ui::formatNumber(kInterval * p.nllStderr, 2)),
                    onFrontier ? ScalingPane::tr("on the frontier: nothing smaller is as good")
                               : ScalingPane::tr("beaten: another run is no larger and better")};
    return mark;
}

} // namespace

ScalingPane::ScalingPane(Session* session, const JudgeSet* set, QWidget* parent)
    : QWidget(parent)
    , m_state(session, set)
    , m_chart(new ui::CostChart(QStringLiteral("kl-against-total-bits"), tr("KL against total bits of runs")))
    , m_verdict(new ToneLabel)
    , m_tokens(new QDoubleSpinBox)
    , m_degradationModel(new QStandardItemModel(this))
    , m_degradation(makeTable("scalingDegradation", tr("Loss to expect of quantizing"), m_degradationModel))
    , m_inputsChip(new ui::Chip)
    , m_inputsModel(new QStandardItemModel(this))
    , m_inputs(makeTable("scalingInputs", tr("Inputs in 4 bits, by site"), m_inputsModel))
    , m_noInputs(new ui::EmptyState({}))
    , m_inputsStack(new QStackedWidget)
    , m_inputsNote(new ToneLabel) {
    setObjectName(QStringLiteral("scalingPane"));
    auto* beside = new QSplitter(Qt::Vertical);
    beside->setObjectName(QStringLiteral("scalingBeside"));
    beside->setChildrenCollapsible(false);
    beside->addWidget(makeDegradation());
    beside->addWidget(makeInputs());
    beside->setSizes({220, 400});
    beside->setStretchFactor(1, 1);
    auto* split = new QSplitter(Qt::Horizontal);
    split->setObjectName(QStringLiteral("scalingSplit"));
    split->setChildrenCollapsible(false);
    split->addWidget(makeChart());
    split->addWidget(beside);
    split->setSizes({620, 560});
    split->setStretchFactor(0, 1);
    column(this)->addWidget(split);
    connect(&m_state, &ScalingState::outdated, this, &ScalingPane::updateWhenSeen);
    connect(&m_state, &ScalingState::changed, this, &ScalingPane::refresh);
    connect(m_tokens, &QDoubleSpinBox::valueChanged, this,
            [this](double billions) { m_state.setTrainingTokens(billions * kBillion); });
    connect(m_chart, &ui::CostChart::markActivated, this, [this](int mark) {
        const QString label = m_chart->data()->marks[mark].label;
        if (!label.isEmpty()) emit runChosen(label[0].toLatin1());
    });
    refresh();
}

QWidget* ScalingPane::makeChart() {
    auto* box = new QWidget;
    auto* layout = column(box);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Accuracy against total bits"));
    row->addStretch();
    layout->addWidget(row);
    m_chart->setObjectName(QStringLiteral("scalingChart"));
    layout->addWidget(m_chart, 1);
    m_verdict->setObjectName(QStringLiteral("scalingVerdict"));
    m_verdict->setMargin(6);
    m_verdict->setToolTip(tr("Published: at equal total bits 4 bits are best from 19M to 176B parameters "
                             "(Dettmers and Zettlemoyer 2023, arXiv:2212.09720)"));
    layout->addWidget(m_verdict);
    return box;
}

QWidget* ScalingPane::makeDegradation() {
    auto* box = new QWidget;
    auto* layout = column(box);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Loss to expect"));
    m_parameters = new QLabel;
    row->addOptional(m_parameters);
    row->addStretch();
    row->addLabel(tr("trained on"))->setBuddy(m_tokens);
    m_tokens->setObjectName(QStringLiteral("trainingTokens"));
    m_tokens->setAccessibleName(tr("Training tokens, billions"));
    m_tokens->setToolTip(tr("Tokens that the model was trained on, in billions. Its model card says."));
    m_tokens->setRange(0, 1e6);
    m_tokens->setDecimals(1);
    m_tokens->setStepType(QAbstractSpinBox::AdaptiveDecimalStepType);
    m_tokens->setSpecialValueText(tr("not given"));
    m_tokens->setSuffix(tr(" billion tokens"));
    row->addWidget(m_tokens);
    layout->addWidget(row);
    m_degradation->setToolTip(
        tr("Added loss = 0.017 D^0.5251 / (N^0.2261 P^5.4967), N parameters without embeddings, D training "
           "tokens, P bits; fitted to Pythia from 160M to 12B quantized by GPTQ (Ouyang et al. 2025, "
           "arXiv:2411.17691)"));
    ui::wrapShortTable(m_degradation);
    layout->addWidget(m_degradation, 1);
    return box;
}

QWidget* ScalingPane::makeInputs() {
    auto* box = new QWidget;
    auto* layout = column(box);
    auto* row = new ui::ToolRow;
    row->addTitle(tr("Inputs in 4 bits (W4A4)"));
    row->addStretch();
    m_inputsChip->setObjectName(QStringLiteral("scalingInputsChip"));
    row->addWidget(m_inputsChip);
    layout->addWidget(row);
    m_inputs->setTextElideMode(Qt::ElideMiddle);
    m_inputs->setToolTip(
        tr("Share of their energy that outputs lose when tokens are rounded to int4, each with one scale of "
           "its "
           "own: as they are, with channels divided by factors that the model takes up, and rotated. %1 % is "
           "the limit.")
            .arg(ui::formatNumber(100 * kFourBitLimit)));
    m_inputsStack->addWidget(m_noInputs);
    m_inputsStack->addWidget(m_inputs);
    layout->addWidget(m_inputsStack, 1);
    m_inputsNote->setObjectName(QStringLiteral("scalingInputsNote"));
    m_inputsNote->setMargin(6);
    layout->addWidget(m_inputsNote);
    return box;
}

void ScalingPane::updateWhenSeen() {
    if (isVisible()) m_state.update();
}

void ScalingPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    m_state.update();
}

void ScalingPane::refresh() {
    showChart();
    showDegradation();
    showInputs();
}

void ScalingPane::showChart() {
    auto data = std::make_shared<ui::CostChartData>();
    data->xTitle = tr("total bits: size of the checkpoint, MiB (log)");
    data->yTitle = tr("KL from the original, nats (log)");
    data->xLog = true;
    data->lineLabel = tr("frontier");
    data->markLabels[ui::CostMark::Measured] = tr("on it ± 95 %");
    data->markLabels[ui::CostMark::Option] = tr("beaten");
    data->emptyText = tr("Run recipes at several bits and evaluate them: every run that was measured on the "
                         "same text is a point.");
    QString text;
    if (const auto runs = m_state.runs()) {
        for (size_t i = 0; i < runs->points.size(); ++i) {
            const ScalingPoint& p = runs->points[i];
            if (!(p.at.quality > 0)) continue; // the original has no place on a logarithm
            data->marks.push_back(markOf(p, runs->law.onFrontier[i] != 0));
            if (runs->law.onFrontier[i]) data->line.push_back({mib(p.at.totalBits), p.at.quality});
        }
        std::ranges::sort(data->line, {}, [](const QPointF& p) { return p.x(); });
        text = lawText(runs->law) + rangesText(runs->law) + QLatin1Char(' ') +
               tr("The original has %1 MiB.").arg(ui::formatFixed(mib(runs->points[0].at.totalBits), 2));
        if (runs->elsewhere > 0)
            text += QLatin1Char(' ') + tr("%n compared runs are not shown: evaluate them on the same text.",
                                          nullptr, runs->elsewhere);
    }
    m_verdict->setText(text);
    m_verdict->setVisible(!text.isEmpty());
    m_chart->setData(std::move(data));
}

void ScalingPane::showDegradation() {
    if (const QSignalBlocker quiet(m_tokens); m_tokens->value() * kBillion != m_state.trainingTokens())
        m_tokens->setValue(m_state.trainingTokens() / kBillion);
    m_parameters->setText(
        m_state.parameters()
            ? tr("%1 parameters without embeddings").arg(ui::formatCount(double(m_state.parameters())))
            : QString());
    m_degradationModel->clear();
    setHeaders(m_degradationModel, {tr("bits"), tr("added loss, nats per token"), tr("the fit")}, 0, 1);
    const auto estimates = m_state.degradation();
    for (const auto& [bits, e] : estimates) {
        QStringList outside;
        for (const std::string& why : e.outside)
            outside << unbroken(why);
        const QString range =
            outside.isEmpty() ? tr("holds") : tr("does not reach: %1").arg(outside.join("; "));
        m_degradationModel->appendRow({cell(QString::number(bits), true),
                                       cell(ui::formatFixed(e.nats, 4), true), cell(range, false, range)});
    }
    if (estimates.empty())
        m_degradationModel->appendRow(
            {cell(QString()), cell(QString()),
             cell(m_state.parameters() ? tr("Say how many tokens the model was trained on.")
                                       : tr("The parameters of this model are not known."))});
    m_degradation->setColumnWidth(0, 44);
    m_degradation->setColumnWidth(1, 172);
    m_degradation->horizontalHeader()->setStretchLastSection(true);
}

void ScalingPane::showInputs() {
    const auto report = m_state.fourBit();
    const QString problem = m_state.fourBitProblem();
    m_noInputs->setText(problem.isEmpty() ? tr("Inputs are being rounded.") : problem);
    m_inputsStack->setCurrentIndex(report ? 1 : 0);
    m_inputsNote->setVisible(bool(report));
    m_inputsModel->clear();
    m_inputsChip->setText(report ? verdictText(report->verdict) : QString());
    if (!report) return;
    m_inputsChip->setTone(toneOf(report->verdict));
    setHeaders(
        m_inputsModel,
        {tr("site"), tr("max / median"), tr("lost, %"), tr("smoothed"), tr("rotated"), tr("in 4 bits")}, 1,
        4);
    const std::vector<const FourBitSite*> sites = shownSites(*report);
    for (const FourBitSite* site : sites) {
        const FourBitSite& s = *site;
        const QString rule = QString::fromStdString(s.rule);
        const QString name = QString::fromStdString(s.site);
        m_inputsModel->appendRow(
            {cell(name, false, tr("%1, read by %2").arg(name, QString::fromStdString(s.linears))),
             cell(ui::numberText(s.outlierRatio, 3), true), cell(percent(s.plain), true),
             cell(s.folds ? percent(s.smoothed) : tr("no fold"), true), cell(percent(s.rotated), true),
             cell(shortVerdict(s.verdict), false, verdictText(s.verdict) + QStringLiteral(": ") + rule)});
    }
    constexpr int widths[] = {0, 102, 60, 82, 66, 124};
    for (int c = 1; c < 6; ++c)
        m_inputs->setColumnWidth(c, widths[c]);
    m_inputs->horizontalHeader()->setStretchLastSection(false);
    m_inputs->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    QString note = tr("Published: %1 (Wu et al. 2023, arXiv:2301.12017).")
                       .arg(QString::fromStdString(report->published));
    if (sites.size() < report->sites.size())
        note += QLatin1Char(' ') + tr("%1 of %2 sites are shown, those with most to lose.")
                                       .arg(sites.size())
                                       .arg(report->sites.size());
    if (!report->noRotation.empty())
        note += QLatin1Char(' ') +
                tr("No rotation can be folded in: %1").arg(QString::fromStdString(report->noRotation));
    m_inputsNote->setText(note);
}

} // namespace qs::app
