// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/EvaluationModel.h"

#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"

#include <cmath>

namespace qs::app {

namespace {

/// Decimals such that the error has two digits: "10.14 ± 0.07".
QString plusMinus(double value, double error) {
    int decimals = 4;
    if (error > 0) decimals = std::clamp(1 - int(std::floor(std::log10(error))), 0, 6);
    const QLocale l;
    QString text = l.toString(value, 'f', decimals);
    text.replace(QLatin1Char('-'), QStringLiteral("−"));
    return QStringLiteral("%1 ± %2").arg(text, l.toString(error, 'f', decimals));
}

QString mebibytes(quint64 bytes) {
    return QLocale().toString(double(bytes) / double(1 << 20), 'f', 2);
}

bool isNumeric(int column) {
    return column >= EvaluationModel::Size && column <= EvaluationModel::Kl99;
}

} // namespace

EvaluationModel::EvaluationModel(JudgeSet* set, QObject* parent) : QAbstractTableModel(parent), m_set(set) {
    refresh();
}

void EvaluationModel::addSizes(Row& row, const ComparedRun& run) const {
    const quint64 bytes = m_set->session()->table()->summary().totalBytesBefore;
    const uint64_t n = m_set->session()->model()->parameterCount();
    row.texts[Size] = mebibytes(run.plan ? run.plan->totalBytesAfter : bytes);
    const double bits = run.plan ? run.plan->bitsPerWeight() : n ? 8.0 * double(bytes) / double(n) : 0;
    row.texts[Bits] = QLocale().toString(bits, 'f', 2);
}

void EvaluationModel::addMeasures(Row& row, const Evaluation& e) {
    const QLocale l;
    if (e.hasReference) row.kl = {e.kl, e.klStderr};
    if (!e.maskedTokens) row.perplexity = {e.perplexity, e.perplexityStderr};
    row.texts[Perplexity] = e.maskedTokens ? tr("loss %1").arg(plusMinus(e.nll, e.nllStderr))
                                           : plusMinus(e.perplexity, e.perplexityStderr);
    row.texts[Kl] = e.hasReference ? plusMinus(e.kl, e.klStderr) : QStringLiteral("0");
    row.texts[Top1] =
        e.hasReference ? l.toString(100 * e.top1, 'f', 2) + QStringLiteral(" %") : QStringLiteral("100 %");
    row.texts[Kl99] = e.hasReference ? ui::numberText(e.kl99, 3) : QStringLiteral("0");
    row.toolTip = tr("Loss %1 nats per token over %2 tokens.\nProtocol: %3\nText: %4, %5")
                      .arg(l.toString(e.nll, 'f', 5), ui::integerText(qint64(e.tokens)),
                           QString::fromStdString(e.protocol), QString::fromStdString(e.source),
                           QString::fromStdString(e.textFingerprint).left(16));
}

void EvaluationModel::addAgainst(Row& row, const ComparedRun& run) const {
    if (run.letter == m_set->against()) {
        row.texts[Against] = tr("reference");
        return;
    }
    const AgainstReference against = m_set->difference(run.letter);
    if (!against.problem.isEmpty()) {
        row.texts[Against] = row.chip = against.problem;
        row.tone = int(ui::Chip::Tone::Warning);
        row.greyed = true;
        row.chipToolTip =
            tr("Numbers of different protocols say nothing about each other. Evaluate both on the "
               "same text with the same windows.");
        return;
    }
    if (!against.difference) return;
    const PairedDifference& d = against.difference->deciding();
    const std::string letter(1, run.letter), other(1, m_set->against());
    row.chip = QString::fromStdString(verdict(d, letter, other));
    const bool certain = d.probabilityBelow >= 0.95 || d.probabilityBelow <= 0.05;
    row.tone = int(certain && d.probabilityBelow > 0.5 ? ui::Chip::Tone::Ok : ui::Chip::Tone::Neutral);
    row.texts[Against] = tr("%1  %2 %3")
                             .arg(row.chip, against.difference->kl ? tr("ΔKL") : tr("Δloss"),
                                  plusMinus(d.mean, d.standardError));
    const QLocale l;
    row.chipToolTip =
        tr("Mean difference in nats per token, 95 % interval %1 to %2.\nPaired bootstrap: %3 resamples of %4 "
           "whole windows; tokens of a window depend on each other.\nΔloss %5")
            .arg(l.toString(d.low, 'f', 5), l.toString(d.high, 'f', 5), ui::integerText(qint64(d.resamples)),
                 ui::integerText(qint64(d.windows)),
                 plusMinus(against.difference->nll.mean, against.difference->nll.standardError));
    if (d.windows < 20)
        row.chipToolTip += QLatin1Char('\n') + tr("Below 20 windows the interval is somewhat too narrow.");
}

EvaluationModel::Row EvaluationModel::rowOf(const ComparedRun& run) const {
    Row row;
    row.letter = run.letter;
    row.texts[Letter] = QString(QLatin1Char(run.letter));
    row.texts[Name] = run.name;
    row.texts[Recipe] = run.summary;
    addSizes(row, run);
    if (!run.evaluation) {
        row.texts[Kl] = tr("not measured");
        return row;
    }
    addMeasures(row, *run.evaluation);
    addAgainst(row, run);
    return row;
}

EvaluationModel::Scale EvaluationModel::scaleOf(Number Row::*number) const {
    double low = INFINITY, high = -INFINITY;
    int measured = 0; // one alone has nothing to be compared with
    for (const Row& r : m_rows) {
        const Number& n = r.*number;
        if (r.greyed || !std::isfinite(n.value)) continue;
        ++measured;
        low = std::min(low, n.value - 2 * n.error);
        high = std::max(high, n.value + 2 * n.error);
    }
    return measured > 1 && low < high ? Scale{low, high} : Scale{};
}

void EvaluationModel::refresh() {
    std::vector<Row> rows;
    for (const ComparedRun& run : m_set->runs())
        rows.push_back(rowOf(run));
    const bool same = rows.size() == m_rows.size(); // the current row stays
    if (!same) beginResetModel();
    m_rows = std::move(rows);
    m_klScale = scaleOf(&Row::kl);
    m_perplexityScale = scaleOf(&Row::perplexity);
    if (!same) return endResetModel();
    if (!m_rows.empty()) emit dataChanged(index(0, 0), index(int(m_rows.size()) - 1, ColumnCount - 1));
    emit headerDataChanged(Qt::Horizontal, Against, Against);
}

char EvaluationModel::letterAt(int row) const {
    return row >= 0 && row < int(m_rows.size()) ? m_rows[size_t(row)].letter : 'A';
}

int EvaluationModel::rowOf(char letter) const {
    for (size_t i = 0; i < m_rows.size(); ++i)
        if (m_rows[i].letter == letter) return int(i);
    return -1;
}

int EvaluationModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(m_rows.size());
}
int EvaluationModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant EvaluationModel::interval(const Row& row, int column, int role) const {
    if (column != Kl && column != Perplexity) return {};
    const Number& n = column == Kl ? row.kl : row.perplexity;
    const Scale& s = column == Kl ? m_klScale : m_perplexityScale;
    if (row.greyed || !std::isfinite(n.value) || !(s.low < s.high)) return {};
    return role == ValueRole ? n.value : role == ErrorRole ? n.error : role == LowRole ? s.low : s.high;
}

QVariant EvaluationModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Row& row = m_rows[size_t(index.row())];
    const int c = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return row.texts[c];
    case Qt::ToolTipRole:
        if (c == Against && !row.chipToolTip.isEmpty()) return row.chipToolTip;
        if (c == Recipe) return row.texts[Recipe];
        return row.toolTip.isEmpty() ? QVariant() : row.toolTip;
    case Qt::TextAlignmentRole:
        return int((isNumeric(c) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    case Qt::FontRole:
        return c == Kl && std::isfinite(row.kl.value) && !row.greyed ? QVariant(ui::boldFont()) : QVariant();
    case Qt::ForegroundRole:
        if (row.greyed || (c == Kl && !std::isfinite(row.kl.value))) return ui::theme().text3;
        return c == Recipe ? QVariant(ui::theme().text2) : QVariant();
    case LetterRole:
        return row.texts[Letter];
    case ToneRole:
        return c == Against && row.tone >= 0 ? QVariant(row.tone) : QVariant();
    case ChipRole:
        return row.chip;
    default:
        return role >= ValueRole && role <= HighRole ? interval(row, c, role) : QVariant();
    }
}

namespace {

QString headerToolTip(int section) {
    switch (section) {
    case EvaluationModel::Kl:
        return EvaluationModel::tr(
            "Mean KL divergence from the original's next-token distribution. 0 is equal; "
            "below 0.01 is hard to notice. The mark is the 95 % interval.");
    case EvaluationModel::Perplexity:
        return EvaluationModel::tr(
            "exp of the mean loss; lower is better. ± is one standard error, the mark the 95 % interval.");
    case EvaluationModel::Top1:
        return EvaluationModel::tr("How often the most likely token is the original's.");
    case EvaluationModel::Kl99:
        return EvaluationModel::tr("KL of the token that 99 % of the tokens stay below: the bad moments.");
    case EvaluationModel::Bits:
        return EvaluationModel::tr("Stored bits per weight: of the whole file for the original, of what is "
                                   "quantized for a run.");
    case EvaluationModel::Against:
        return EvaluationModel::tr("Difference to the reference, paired token by token, and how sure it is.");
    default:
        return {};
    }
}

} // namespace

QVariant EvaluationModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount) return {};
    if (role == Qt::TextAlignmentRole)
        return int((isNumeric(section) ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole) return headerToolTip(section);
    if (role != Qt::DisplayRole) return {};
    const QString titles[ColumnCount] = {
        QString(),        tr("run"),
        tr("recipe"),     tr("size, MiB"),
        tr("bpw"),        tr("KL, nats per token"),
        tr("perplexity"), tr("top-1 agreement"),
        tr("99 % KL"),    tr("against %1, paired bootstrap").arg(QLatin1Char(m_set->against()))};
    return titles[section];
}

} // namespace qs::app
