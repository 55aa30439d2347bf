// SPDX-License-Identifier: GPL-3.0-or-later
// KeyValueGrid: label and value rows of the inspector; labels left, values right, every value can be copied
// (context menu, or "Copy all" as TSV).
#pragma once

#include <QString>
#include <QVector>
#include <QWidget>

class QGridLayout;
class QLabel;

namespace qs::ui {

class ElidedLabel;

class KeyValueGrid : public QWidget {
    Q_OBJECT
public:
    enum class Tone { Normal, Mono, Strong, Predicted, Ok, Warning, Error, Stale };

    explicit KeyValueGrid(QWidget* parent = nullptr);

    /// Returns the row's number.
    int addRow(const QString& label, const QString& value = {}, Tone tone = Tone::Normal,
               const QString& toolTip = {});
    /// A control instead of a value (a combo box); the grid takes ownership.
    int addWidgetRow(const QString& label, QWidget* control, const QString& toolTip = {});
    void setValue(int row, const QString& value, Tone tone = Tone::Normal);
    void setHelp(int row, const QString& toolTip);
    QString value(int row) const;
    int count() const { return int(m_rows.size()); }
    void clear();
    /// "label<TAB>value" lines.
    QString asTsv() const;

protected:
    void contextMenuEvent(QContextMenuEvent* event) override;

private:
    struct Row {
        QLabel* label = nullptr;
        ElidedLabel* value = nullptr; ///< null for a control
        QWidget* control = nullptr;
        Tone tone = Tone::Normal;
    };
    QLabel* makeLabel(const QString& text, const QString& toolTip);
    void applyColors();
    QGridLayout* m_layout;
    QVector<Row> m_rows;
};

} // namespace qs::ui
