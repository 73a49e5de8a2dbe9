from django.db import migrations

# In small letters, without accents; what parts the components of a DICOM name becomes a blank.
FUNCTION = r"""
CREATE FUNCTION search_words(words text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT btrim(regexp_replace(lower(unaccent(words)), '[\s^=,]+', ' ', 'g'))
$$;
"""

TRIGGERS = """
CREATE FUNCTION study_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO records_studysearch (study_id, text)
    SELECT NEW.id,
        ' ' || search_words(concat_ws(' ', name, patient_id, NEW.accession_number))
    FROM records_patient WHERE id = NEW.patient_id
    ON CONFLICT (study_id) DO UPDATE SET text = EXCLUDED.text;
    RETURN NULL;
END $$;

CREATE FUNCTION patient_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE records_studysearch AS search
    SET text = ' ' || search_words(concat_ws(' ', NEW.name, NEW.patient_id, study.accession_number))
    FROM records_study AS study
    WHERE study.patient_id = NEW.id AND search.study_id = study.id;
    RETURN NULL;
END $$;

CREATE TRIGGER study_words
AFTER INSERT OR UPDATE OF patient_id, accession_number ON records_study
FOR EACH ROW EXECUTE FUNCTION study_words();

CREATE TRIGGER patient_words
AFTER UPDATE OF name, patient_id ON records_patient
FOR EACH ROW EXECUTE FUNCTION patient_words();
"""

FILL = """
INSERT INTO records_studysearch (study_id, text)
SELECT study.id,
    ' ' || search_words(concat_ws(' ', name, patient.patient_id, study.accession_number))
FROM records_study AS study JOIN records_patient AS patient ON patient.id = study.patient_id;
"""

BACK = """
DROP TRIGGER patient_words ON records_patient;
DROP TRIGGER study_words ON records_study;
DROP FUNCTION patient_words, study_words, search_words;
DELETE FROM records_studysearch;
"""


class Migration(migrations.Migration):
    dependencies = [("records", "0002_worklist_and_search")]

    operations = [migrations.RunSQL(FUNCTION + TRIGGERS + FILL, BACK)]
