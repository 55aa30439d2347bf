// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ExporterList.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Theme.h"

#include <QApplication>
#include <QPainter>
#include <algorithm>

namespace qs::app {

ExporterListModel::ExporterListModel(Session* session, QObject* parent)
    : QAbstractListModel(parent), m_session(session), m_issues(exporters().size()) {
    connect(&ui::ThemeNotifier::instance(), &ui::ThemeNotifier::changed, this,
            [this] { emit dataChanged(index(0), index(rowCount() - 1)); });
}

void ExporterListModel::refresh() {
    for (int r = 0; r < rowCount(); ++r)
        m_issues[size_t(r)] = m_session->model() ? m_session->exportIssues(id(r)) : std::vector<LintIssue>();
    emit dataChanged(index(0), index(rowCount() - 1));
}

QString ExporterListModel::id(int row) const {
    return QString::fromStdString(exporters()[size_t(row)]->id);
}

int ExporterListModel::rowOf(const QString& id) const {
    for (int r = 0; r < rowCount(); ++r)
        if (this->id(r) == id) return r;
    return -1;
}

int ExporterListModel::count(int row, Severity severity) const {
    const auto& list = m_issues[size_t(row)];
    return int(
        std::count_if(list.begin(), list.end(), [=](const LintIssue& i) { return i.severity == severity; }));
}

bool ExporterListModel::blocked(int row) const {
    return row >= 0 && count(row, Severity::Error) > 0;
}

int ExporterListModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(exporters().size());
}

QVariant ExporterListModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const ExporterDescriptor& e = *exporters()[size_t(index.row())];
    const int errors = count(index.row(), Severity::Error), warnings = count(index.row(), Severity::Warning);
    switch (role) {
    case Qt::DisplayRole:
        return QString::fromStdString(e.label);
    case SummaryRole:
        return QString::fromStdString(e.summary);
    case Qt::ToolTipRole: {
        QStringList runtimes;
        for (const std::string& r : e.runtimes)
            runtimes << QString::fromStdString(r);
        return tr("%1\nLoads in: %2")
            .arg(QString::fromStdString(e.summary), runtimes.join(QStringLiteral(", ")));
    }
    case StatusRole:
        if (!m_session->model()) return QString();
        if (errors > 0) return tr("%n errors", nullptr, errors);
        if (warnings > 0) return tr("%n warnings", nullptr, warnings);
        return tr("fits");
    case SeverityRole:
        return int(errors > 0 ? Severity::Error : warnings > 0 ? Severity::Warning : Severity::Info);
    case IdRole:
        return id(index.row());
    default:
        return {};
    }
}

void ExporterDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                             const QModelIndex& index) const {
    QStyleOptionViewItem o = option;
    initStyleOption(&o, index);
    const QString label = o.text;
    o.text.clear();
    const QStyle* style = o.widget ? o.widget->style() : QApplication::style();
    style->drawControl(QStyle::CE_ItemViewItem, &o, painter, o.widget);
    const ui::Theme& t = ui::theme();
    const QString status = index.data(ExporterListModel::StatusRole).toString();
    const auto severity = Severity(index.data(ExporterListModel::SeverityRole).toInt());
    const QColor tone = severity == Severity::Error     ? t.error
                        : severity == Severity::Warning ? t.warning
                                                        : t.ok;
    const char* glyph = severity == Severity::Error     ? "error"
                        : severity == Severity::Warning ? "warning"
                                                        : "tick";
    painter->save();
    const QRectF r = QRectF(option.rect).adjusted(12, 6, -12, -6);
    const double line = r.height() / 2;
    if (!status.isEmpty())
        ui::paintIcon(*painter, QRectF(r.left(), r.top() + (line - 14) / 2, 14, 14),
                      QString::fromLatin1(glyph), tone);
    const QRectF words = r.adjusted(26, 0, 0, 0);
    painter->setFont(option.font);
    painter->setPen(tone);
    painter->drawText(QRectF(words.left(), words.top(), words.width(), line),
                      Qt::AlignRight | Qt::AlignVCenter, status);
    const double room = words.width() - QFontMetricsF(option.font).horizontalAdvance(status) - 10;
    painter->setFont(ui::boldFont());
    painter->setPen(t.text);
    painter->drawText(QRectF(words.left(), words.top(), room, line), Qt::AlignLeft | Qt::AlignVCenter,
                      QFontMetricsF(ui::boldFont()).elidedText(label, Qt::ElideRight, room));
    painter->setFont(option.font);
    painter->setPen(t.text2);
    painter->drawText(QRectF(words.left(), words.top() + line, words.width(), line),
                      Qt::AlignLeft | Qt::AlignVCenter,
                      QFontMetricsF(option.font)
                          .elidedText(index.data(ExporterListModel::SummaryRole).toString(), Qt::ElideRight,
                                      words.width()));
    painter->restore();
}

QSize ExporterDelegate::sizeHint(const QStyleOptionViewItem& option, const QModelIndex&) const {
    return {220, std::max(46, 2 * option.fontMetrics.height() + 14)};
}

} // namespace qs::app
